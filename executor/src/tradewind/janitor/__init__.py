"""Deletes pods that nobody owns any more. A program of its own that knows no Airflow package."""
