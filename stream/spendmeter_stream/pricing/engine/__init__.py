"""Price a chunk with vectorised integer arithmetic."""
