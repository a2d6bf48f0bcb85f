"""The notebook side of a Tarn workspace."""
