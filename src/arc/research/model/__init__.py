"""The world model of a study and the optimiser that asks it: plain values in, plain values out."""
