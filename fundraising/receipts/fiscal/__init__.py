"""The fiscal e-receipt (公益事业捐赠统一票据): asked for at the finance department and linked, never imitated."""
