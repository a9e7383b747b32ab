"""What the commands read from and print to a terminal: option values, usage errors, tables, progress bars."""
