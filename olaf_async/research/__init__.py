"""What is done with recorded days: scan, replay, backtest, reports and charts. Nothing here trades."""
