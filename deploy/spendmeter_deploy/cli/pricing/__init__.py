"""`spendmeter prices`: rows of the price topic, and the rates in force."""
