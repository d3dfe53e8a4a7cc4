//! RFC 2866. The packet alone: `authenticators`. The running server: what is answered, and what stands in PostgreSQL by
//! then (`records`); reports of a router about itself (`routers`).

mod authenticators;
mod records;
mod routers;
