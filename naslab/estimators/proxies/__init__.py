"""Zero-cost proxies: scores of a network at initialisation, from its description or from one batch."""
