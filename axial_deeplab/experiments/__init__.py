"""Model Garden experiments; the only folder that imports `official`."""
