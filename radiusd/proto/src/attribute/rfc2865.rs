//! Attributes of RFC 2865 §5: authentication and authorization. The section numbers are those of that RFC.

attributes! {
    "dictionary.rfc2865", vendor 0;
    USER_NAME: Text = 1, "User-Name", "§5.1. What the user typed, or the MAC address.";
    USER_PASSWORD: Text = 2, "User-Password", "§5.2. Hidden: see [`crate::password::pap`].";
    CHAP_PASSWORD: Octets = 3, "CHAP-Password", "§5.3. See [`crate::password::chap`].";
    NAS_IP_ADDRESS: Ipv4 = 4, "NAS-IP-Address", "§5.4. What the NAS says of itself; never a proof.";
    NAS_PORT: Integer = 5, "NAS-Port", "§5.5. The port on the NAS.";
    SERVICE_TYPE: Integer = 6, "Service-Type", "§5.6. See [`service_type`].";
    FRAMED_PROTOCOL: Integer = 7, "Framed-Protocol", "§5.7. See [`framed_protocol`].";
    FRAMED_IP_ADDRESS: Ipv4 = 8, "Framed-IP-Address", "§5.8. The user's address.";
    FRAMED_IP_NETMASK: Ipv4 = 9, "Framed-IP-Netmask", "§5.9. The user's netmask.";
    FRAMED_ROUTING: Integer = 10, "Framed-Routing", "§5.10. See [`framed_routing`].";
    FILTER_ID: Text = 11, "Filter-Id", "§5.11. Name of a filter list on the NAS.";
    FRAMED_MTU: Integer = 12, "Framed-MTU", "§5.12. In octets.";
    FRAMED_COMPRESSION: Integer = 13, "Framed-Compression", "§5.13. See [`framed_compression`].";
    LOGIN_IP_HOST: Ipv4 = 14, "Login-IP-Host", "§5.14. The host to connect the user to.";
    LOGIN_SERVICE: Integer = 15, "Login-Service", "§5.15. See [`login_service`].";
    LOGIN_TCP_PORT: Integer = 16, "Login-TCP-Port", "§5.16. See [`login_tcp_port`].";
    REPLY_MESSAGE: Text = 18, "Reply-Message", "§5.18. Shown to the user.";
    CALLBACK_NUMBER: Text = 19, "Callback-Number", "§5.19. A number to call back.";
    CALLBACK_ID: Text = 20, "Callback-Id", "§5.20. Name of a place to call.";
    FRAMED_ROUTE: Text = 22, "Framed-Route", "§5.22. A route for the user.";
    FRAMED_IPX_NETWORK: Ipv4 = 23, "Framed-IPX-Network", "§5.23. Four octets, written like an address.";
    STATE: Octets = 24, "State", "§5.24. Comes back unchanged in the next Access-Request.";
    CLASS: Octets = 25, "Class", "§5.25. Comes back unchanged in accounting.";
    VENDOR_SPECIFIC: Vsa = 26, "Vendor-Specific", "§5.26. Opened by [`crate::Packet::get`].";
    SESSION_TIMEOUT: Integer = 27, "Session-Timeout", "§5.27. Seconds of service.";
    IDLE_TIMEOUT: Integer = 28, "Idle-Timeout", "§5.28. Seconds without traffic.";
    TERMINATION_ACTION: Integer = 29, "Termination-Action", "§5.29. See [`termination_action`].";
    CALLED_STATION_ID: Text = 30, "Called-Station-Id", "§5.30. RouterOS: name of the hotspot server.";
    CALLING_STATION_ID: Text = 31, "Calling-Station-Id", "§5.31. RouterOS: MAC address of the client.";
    NAS_IDENTIFIER: Text = 32, "NAS-Identifier", "§5.32. What the NAS says of itself; never a proof.";
    PROXY_STATE: Octets = 33, "Proxy-State", "§5.33. Goes back unchanged and in order.";
    LOGIN_LAT_SERVICE: Text = 34, "Login-LAT-Service", "§5.34.";
    LOGIN_LAT_NODE: Text = 35, "Login-LAT-Node", "§5.35.";
    LOGIN_LAT_GROUP: Octets = 36, "Login-LAT-Group", "§5.36.";
    FRAMED_APPLETALK_LINK: Integer = 37, "Framed-AppleTalk-Link", "§5.37.";
    FRAMED_APPLETALK_NETWORK: Integer = 38, "Framed-AppleTalk-Network", "§5.38.";
    FRAMED_APPLETALK_ZONE: Text = 39, "Framed-AppleTalk-Zone", "§5.39.";
    CHAP_CHALLENGE: Octets = 60, "CHAP-Challenge", "§5.40. Else the Request Authenticator is the challenge.";
    NAS_PORT_TYPE: Integer = 61, "NAS-Port-Type", "§5.41. See [`nas_port_type`].";
    PORT_LIMIT: Integer = 62, "Port-Limit", "§5.42. RouterOS: sessions at once.";
    LOGIN_LAT_PORT: Text = 63, "Login-LAT-Port", "§5.43.";

    @service_type, "Service-Type" {
        LOGIN_USER = 1, "Login-User";
        FRAMED_USER = 2, "Framed-User";
        CALLBACK_LOGIN_USER = 3, "Callback-Login-User";
        CALLBACK_FRAMED_USER = 4, "Callback-Framed-User";
        OUTBOUND_USER = 5, "Outbound-User";
        ADMINISTRATIVE_USER = 6, "Administrative-User";
        NAS_PROMPT_USER = 7, "NAS-Prompt-User";
        AUTHENTICATE_ONLY = 8, "Authenticate-Only";
        CALLBACK_NAS_PROMPT = 9, "Callback-NAS-Prompt";
        CALL_CHECK = 10, "Call-Check";
        CALLBACK_ADMINISTRATIVE = 11, "Callback-Administrative";
    }
    @framed_protocol, "Framed-Protocol" {
        PPP = 1, "PPP";
        SLIP = 2, "SLIP";
        ARAP = 3, "ARAP";
        GANDALF_SLML = 4, "Gandalf-SLML";
        XYLOGICS_IPX_SLIP = 5, "Xylogics-IPX-SLIP";
        X_75_SYNCHRONOUS = 6, "X.75-Synchronous";
    }
    @framed_routing, "Framed-Routing" {
        NONE = 0, "None";
        BROADCAST = 1, "Broadcast";
        LISTEN = 2, "Listen";
        BROADCAST_LISTEN = 3, "Broadcast-Listen";
    }
    @framed_compression, "Framed-Compression" {
        NONE = 0, "None";
        VAN_JACOBSON_TCP_IP = 1, "Van-Jacobson-TCP-IP";
        IPX_HEADER = 2, "IPX-Header-Compression";
        STAC_LZS = 3, "Stac-LZS";
    }
    @login_service, "Login-Service" {
        TELNET = 0, "Telnet";
        RLOGIN = 1, "Rlogin";
        TCP_CLEAR = 2, "TCP-Clear";
        PORTMASTER = 3, "PortMaster";
        LAT = 4, "LAT";
        X25_PAD = 5, "X25-PAD";
        X25_T3POS = 6, "X25-T3POS";
        TCP_CLEAR_QUIET = 8, "TCP-Clear-Quiet";
    }
    @login_tcp_port, "Login-TCP-Port" {
        TELNET = 23, "Telnet";
        RLOGIN = 513, "Rlogin";
        RSH = 514, "Rsh";
    }
    @termination_action, "Termination-Action" {
        DEFAULT = 0, "Default";
        RADIUS_REQUEST = 1, "RADIUS-Request";
    }
    @nas_port_type, "NAS-Port-Type" {
        ASYNC = 0, "Async";
        SYNC = 1, "Sync";
        ISDN = 2, "ISDN";
        ISDN_V120 = 3, "ISDN-V120";
        ISDN_V110 = 4, "ISDN-V110";
        VIRTUAL = 5, "Virtual";
        PIAFS = 6, "PIAFS";
        HDLC_CLEAR_CHANNEL = 7, "HDLC-Clear-Channel";
        X_25 = 8, "X.25";
        X_75 = 9, "X.75";
        G3_FAX = 10, "G.3-Fax";
        SDSL = 11, "SDSL";
        ADSL_CAP = 12, "ADSL-CAP";
        ADSL_DMT = 13, "ADSL-DMT";
        IDSL = 14, "IDSL";
        ETHERNET = 15, "Ethernet";
        XDSL = 16, "xDSL";
        CABLE = 17, "Cable";
        WIRELESS_OTHER = 18, "Wireless-Other";
        WIRELESS_802_11 = 19, "Wireless-802.11";
    }
}
