"""The budget gate: refuse calls whose budget is used up, from memory. See docs/budgets.md."""
