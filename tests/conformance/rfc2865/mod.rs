//! RFC 2865. The packet alone: reading (`parsing`), User-Password and CHAP-Password (`passwords`). The running server:
//! what gets no answer (`datagrams`), attributes (`attributes`), who may ask and with what (`clients`), answers and
//! their time (`answers`), devices that log in by their address (`mac`), and what guests add (`injected`).

mod answers;
mod attributes;
mod clients;
mod datagrams;
mod injected;
mod mac;
mod parsing;
mod passwords;
