"""Card-testers and floods are stopped; donors, also five hundred behind one address, are not."""
