"""Monthly budgets and exchange rates."""
