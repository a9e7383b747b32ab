"""From a window, filters and a catalogue to SQL with bound parameters."""
