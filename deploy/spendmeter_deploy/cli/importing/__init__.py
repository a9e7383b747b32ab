"""Import files of past calls: publish them, and summarize or preview the result."""
