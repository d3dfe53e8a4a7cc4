//! Attributes of RFC 3162 §2: IPv6. The section numbers are those of that RFC.

attributes! {
    "dictionary.rfc3162", vendor 0;
    NAS_IPV6_ADDRESS: Ipv6 = 95, "NAS-IPv6-Address", "§2.1. What the NAS says of itself; never a proof.";
    FRAMED_INTERFACE_ID: InterfaceId = 96, "Framed-Interface-Id", "§2.2. Lower half of the user's address.";
    FRAMED_IPV6_PREFIX: Ipv6Prefix = 97, "Framed-IPv6-Prefix", "§2.3. The user's prefix.";
    LOGIN_IPV6_HOST: Ipv6 = 98, "Login-IPv6-Host", "§2.4. The host to connect the user to.";
    FRAMED_IPV6_ROUTE: Text = 99, "Framed-IPv6-Route", "§2.5. A route for the user.";
    FRAMED_IPV6_POOL: Text = 100, "Framed-IPv6-Pool", "§2.6. Name of a prefix pool on the NAS.";
}
