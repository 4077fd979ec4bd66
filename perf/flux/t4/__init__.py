"""What FLUX.1-Fill costs on a T4, modelled: no T4 was at hand."""
