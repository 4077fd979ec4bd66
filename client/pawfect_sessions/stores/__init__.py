"""Where sessions live: small interfaces, Google's services behind them, or one folder."""
