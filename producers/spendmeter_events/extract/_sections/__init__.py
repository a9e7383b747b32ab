"""Read the counts of a usage section, in the layouts that providers, SDKs and gateways use."""
