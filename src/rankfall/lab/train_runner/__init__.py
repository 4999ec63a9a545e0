"""The generic runner of sweeps: a problem, a network and an optimiser as tables of settings."""
