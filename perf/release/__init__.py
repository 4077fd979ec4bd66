"""What a release consists of: packages, licences, sizes; as an SBOM and as a ledger."""
