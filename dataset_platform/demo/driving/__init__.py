"""Synthetic driving scenes: roads drawn by rule, cars that follow Treiber's IDM, signals, pedestrians and cyclists."""
