"""The `spendmeter` command and the embedded stack."""
