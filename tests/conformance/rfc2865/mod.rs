//! RFC 2865: reading and answering of packets (`parsing`), User-Password and CHAP-Password (`passwords`).

mod parsing;
mod passwords;
