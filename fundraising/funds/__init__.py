"""Restricted, designated, reserve and general funds; every fen traced from source to spending."""
