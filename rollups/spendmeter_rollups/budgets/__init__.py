"""Monthly budgets and currency rates."""
