"""Recipes of the joint intent and slot model, one small file a stage."""
