"""The `spendmeter` command, one module per subcommand."""
