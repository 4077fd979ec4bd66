"""What every call to a server elsewhere shares: the operator's settings, the budget, refusals."""
