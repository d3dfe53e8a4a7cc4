//! The attributes of Ascend (enterprise 529) that RouterOS takes. Rates are in bits per second and count only
//! where `Mikrotik-Rate-Limit` is absent.

/// IANA enterprise number.
pub const VENDOR: u32 = 529;

attributes! {
    "dictionary.ascend", vendor VENDOR;
    CLIENT_GATEWAY: Ipv4 = 132, "Ascend-Client-Gateway", "Gateway of a DHCP client.";
    DATA_RATE: Integer = 197, "Ascend-Data-Rate", "Rate from the user; both ways where Ascend-Xmit-Rate is absent.";
    XMIT_RATE: Integer = 255, "Ascend-Xmit-Rate", "Rate to the user.";
}
