"""Geometry and rasters that every engine uses: windows, canvases, masks, grain, tone, composite."""
