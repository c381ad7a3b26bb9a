"""The HTTP door: parse, call a verb, render. No rule of the house lives here."""
