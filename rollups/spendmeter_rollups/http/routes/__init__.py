"""The routes: one function per endpoint, no logic."""
