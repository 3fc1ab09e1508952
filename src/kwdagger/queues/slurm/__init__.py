"""Slurm: job arrays, submitted as far as its limits allow and topped up."""
