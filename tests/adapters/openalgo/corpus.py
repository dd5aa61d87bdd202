"""Hand-written bodies of every shape that servers are known to answer with."""

ORDER = (
    b'{"symbol":"SBIN","exchange":"NSE","action":"BUY","quantity":"5","price":"511.95","trigger_price":"",'
    b'"pricetype":"LIMIT","product":"MIS","orderid":250408000989443,"order_status":"open pending",'
    b'"timestamp":"10:11:12"}'
)
TRADE = (
    b'{"symbol":"SBIN","exchange":"NSE","product":"MIS","action":"SELL","quantity":2,'
    b'"average_price":511.95000000000005,"trade_value":1023.9,"orderid":"12","timestamp":"10:11:12"}'
)
POSITION = (
    b'{"symbol":"SBIN","exchange":"NSE","product":"MIS","quantity":-3,"average_price":"100.00",'
    b'"ltp":1.5,"pnl":null}'
)
FLAT = b'{"symbol":"ITC","exchange":"NSE","product":"MIS","quantity":0,"average_price":"0.00"}'
RESULTS = (
    b'{"symbol":"NOPE","exchange":"NSE","error":"not found"},'
    b'{"symbol":"SBIN","exchange":"NSE","data":{"ltp":1.5}}'
)


def data(body: bytes) -> bytes:
    return b'{"status":"success","data":' + body + b"}"


def orders(*rows: bytes) -> bytes:
    return data(b'{"orders":[' + b",".join(rows) + b'],"statistics":{}}')


def rows(*them: bytes) -> bytes:
    return data(b"[" + b",".join(them) + b"]")


CORPUS = [
    orders(),
    orders(ORDER),
    rows(),
    rows(TRADE),
    rows(POSITION, FLAT),
    data(ORDER),
    data(b'{"ltp":"511.95","bid":0,"ask":null,"high":512.5,"low":"","prev_close":510,"volume":1}'),
    data(b'[{"timestamp":1794767400,"open":NaN,"high":1.5,"low":1.5,"close":1.5,"volume":10,"oi":0}]'),
    data(b"{}"),
    data(b'{"availablecash":"0.00","collateral":"0.00","m2mrealized":"0.00","m2munrealized":"0.00"}'),
    data(b'{"availablecash":"100.50","utiliseddebits":"1.00"}'),
    data(b'{"message":"pong","broker":"zerodha"}'),
    data(b'{"mode":"live","analyze_mode":false,"total_logs":0}'),
    data(b'{"symbol":"SBIN","tick_size":0.05,"lotsize":"1"}'),
    data(b'[{"exchange":"NSE","start_time":1794801900000,"end_time":1794824400000}]'),
    b'{"status":"success","results":[' + RESULTS + b"]}",
    b'{"status":"success","quantity":"-5"}',
    b'{"status":"success","quantity":1e999999}',
    data(b'{"ltp":-1E+999999,"availablecash":1E-999999}'),
    b'{"status":"success","orderid":"250408000989443"}',
    b'{"status":"success","orderid":250408000989443}',
    b'{"status":"success","orderid":null}',
    b'{"status":"success","orderid":"ORDER_PLACED"}',
    b'{"status":"success","message":"queued","mode":"semi_auto","pending_order_id":3}',
    b'{"status":"error","message":"{\'quantity\': [\'Quantity must be a positive number.\']}"}',
    b'{"status":"error","message":{"exchange":["Must be one of: NSE"]}}',
    b'{"status":"error","message":"Cannot cancel order in complete status","mode":"analyze"}',
    b'{"message":"10 per 1 second"}',
    b"Access Denied: Your IP has been banned",
    b"<html><h1>429 Too Many Requests</h1></html>",
    b"",
    b"null",
    b"[" * 5000,
]
