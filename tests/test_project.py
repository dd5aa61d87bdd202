"""The project keeps its own promises: sizes, sleeping, the lock, the image, and what its documents claim."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import olaf_async
from olaf_async.settings import load_settings

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("run", "dev", "build")
LINES_MAX = 500


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads(read("pyproject.toml"))["project"]
    return table


def documents() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert len(found) > 5, "the documents are not where this test looks for them"
    return found


def locked(name: str) -> dict[str, set[Version]]:
    """Package -> its locked versions; more than one where it depends on the platform or the Python."""
    pins: dict[str, set[Version]] = {}
    for line in read(f"requirements/{name}.txt").splitlines():
        if line[:1].isalnum():
            pin = Requirement(line.rstrip("\\").strip())
            (only,) = pin.specifier
            assert only.operator == "==", f"{line} is not pinned"
            pins.setdefault(canonicalize_name(pin.name), set()).add(Version(only.version))
    assert pins
    return pins


# ------------------------------------------------------------------------------------------------------- code


def test_no_module_is_longer_than_one_can_read_in_a_sitting() -> None:
    lengths = {
        path: path.read_text(encoding="utf-8").count("\n") for path in (ROOT / "olaf_async").rglob("*.py")
    }
    assert len(lengths) > 10
    assert {str(path): lines for path, lines in lengths.items() if lines > LINES_MAX} == {}


def sleeps(tree: ast.Module) -> Iterator[int]:
    """Lines that wait on a clock: ``time.sleep``, and ``asyncio.sleep`` of anything but a literal 0."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="time" | "asyncio", names=names) if any(
                n.name == "sleep" for n in names
            ):
                yield node.lineno
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="asyncio"), attr="sleep"), args=[ast.Constant(value=0)]
            ):
                pass
            case ast.Call(func=ast.Attribute(value=ast.Name(id="time" | "asyncio"), attr="sleep")):
                yield node.lineno


@pytest.mark.parametrize(
    ("source", "waits"),
    [
        ("await asyncio.sleep(0)", False),
        ("await asyncio.sleep(0.01)", True),
        ("await asyncio.sleep(delay)", True),
        ("time.sleep(0)", True),
        ("from time import sleep", True),
        ("await clock.sleep(5)", False),
    ],
)
def test_a_sleep_is_recognised(source: str, waits: bool) -> None:
    tree = compile(source, "sample", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(tree, ast.Module)
    assert bool(list(sleeps(tree))) is waits


KILLER = ROOT / "tests" / "soak" / "kill.py"
"""What kills real processes at random instants has to wait for these."""


def test_no_test_waits_on_the_real_clock() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in (ROOT / "tests").rglob("*.py")
        if path != KILLER
        for line in sleeps(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


# ------------------------------------------------------------------------------------------------------- lock


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_names_no_place_to_install_from_and_hashes_every_file(name: str) -> None:
    text = read(f"requirements/{name}.txt")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE), "an option of pip stands in the lock"
    for pin in re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in pin, f"{pin.splitlines()[0]} has no hash"


def test_the_lock_satisfies_the_project_file() -> None:
    run, dev = locked("run"), locked("dev")
    extras: dict[str, list[str]] = project()["optional-dependencies"]
    wanted = [(run, text) for text in project()["dependencies"]]
    wanted += [(dev, text) for texts in extras.values() for text in texts]
    for pins, text in wanted:
        requirement = Requirement(text)
        versions = pins.get(canonicalize_name(requirement.name))
        assert versions, f"{text} is not locked: make lock"
        assert all(version in requirement.specifier for version in versions), (
            f"{text} is locked at {versions}"
        )


def test_the_locks_agree_with_each_other() -> None:
    dev = locked("dev")
    for name in LOCKS:
        assert {package: dev.get(package) for package in locked(name)} == locked(name)


def test_every_bundled_file_is_part_of_what_is_installed() -> None:
    declared = tomllib.loads(read("pyproject.toml"))["tool"]["setuptools"]["package-data"]["olaf_async"]
    package = ROOT / "olaf_async"
    data = {p for p in package.rglob("*") if p.is_file() and p.suffix not in {".py", ".pyc"}}
    covered = {p for pattern in declared for p in package.glob(pattern)}
    assert data - covered == set()


# ------------------------------------------------------------------------------------------------------ image


def test_the_image_runs_locked_files_as_nobody_special_on_any_base() -> None:
    lines = re.sub(r"\\\n", " ", read("Dockerfile")).splitlines()
    words = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    assert words[0][0] == "ARG"
    assert words[0][1].startswith("BASE=")
    assert {rest.split()[0] for word, rest in words if word == "FROM"} == {"${BASE}"}
    assert [rest for word, rest in words if word == "USER"] == ["olaf"]
    assert [rest for word, rest in words if word == "ENTRYPOINT"] == ['["python", "-m", "olaf_async"]']
    fetched = [rest for word, rest in words if word == "RUN" and "-r requirements/" in rest]
    assert fetched
    assert all("--require-hashes" in rest for rest in fetched)


def test_the_image_can_copy_what_it_needs_and_nothing_else_gets_in() -> None:
    ignored = read(".dockerignore").splitlines()
    assert "*" in ignored
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        source.split("/")[0]
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", read("Dockerfile"), re.MULTILINE)
        for source in sources.split()
    }
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


# -------------------------------------------------------------------------------------------------- documents


def test_the_changelog_opens_with_the_version_of_the_package() -> None:
    newest = re.search(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)
    assert newest
    assert newest[1] == olaf_async.__version__


def test_every_decision_is_numbered_listed_and_says_what_it_costs() -> None:
    folder = ROOT / "docs" / "adr"
    pages = sorted(folder.glob("[0-9]*.md"))
    numbers = [page.name[:4] for page in pages]
    assert numbers[0] == "0001"
    assert len(numbers) == len(set(numbers)), "two decisions have one number"
    rows = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+?) \|", read("docs/adr/README.md"), re.MULTILINE)
    assert [(number, name) for number, name, _ in rows] == [(page.name[:4], page.name) for page in pages]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], (
            page.name
        )
        assert re.search(r"^State: (proposed|accepted|superseded by \d{4})\. Date: ", text, re.MULTILINE), (
            page.name
        )


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in documents()
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_place_in_the_tree_that_a_document_names_exists() -> None:
    named = re.compile(
        r"`((?:olaf_async|domain|core|strategies|ports|shell|adapters|research|sim|tests|docs)/[\w./-]+)`"
    )
    missing = [
        f"{page.relative_to(ROOT)}: {place}"
        for page in documents()
        for place in named.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / place).exists() and not (ROOT / "olaf_async" / place).exists()
    ]
    assert missing == []


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    assert {"run", "test", "check"} <= targets
    named = re.compile(r"(?:`|^\s*\$?\s*)make ([a-z-]+)", re.MULTILINE)
    unknown = [
        f"{page.relative_to(ROOT)}: make {target}"
        for page in documents()
        for target in named.findall(page.read_text(encoding="utf-8"))
        if target not in targets
    ]
    assert unknown == []


def test_the_help_of_make_tells_of_every_target() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", read("Makefile"), re.MULTILINE)
    assert set(re.findall(r"^([a-z-]+):.*## \S", read("Makefile"), re.MULTILINE)) == set(phony.split())


def test_the_settings_that_the_first_live_day_is_tried_with_are_read_whole() -> None:
    fast = load_settings(
        ROOT / "docs" / "fast-day.toml", {"session.open": "06:00", "session.close": "06:07"}, {}
    )
    slow = load_settings(ROOT / "olaf_async" / "sample" / "settings.toml", env={})
    assert fast.strategy.trail_bar_s * 60 == slow.strategy.trail_bar_s
    assert fast.strategy.trigger_window_s * 60 == slow.strategy.trigger_window_s
    assert "docs/fast-day.toml" in read("README.md")
