"""The verbs: from what is wanted, observed and remembered to what to do next."""
