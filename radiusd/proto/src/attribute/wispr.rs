//! Attributes of the Wi-Fi Alliance's WISPr best practices (enterprise 14122). RouterOS knows numbers 1 to 11.
//! Bandwidths are in bits per second.

/// IANA enterprise number.
pub const VENDOR: u32 = 14122;

attributes! {
    "dictionary.wispr", vendor VENDOR;
    LOCATION_ID: Text = 1, "WISPr-Location-ID", "Identifier of the place, `isocc=…,cc=…,ac=…,network=…`.";
    LOCATION_NAME: Text = 2, "WISPr-Location-Name", "Name of the place.";
    LOGOFF_URL: Text = 3, "WISPr-Logoff-URL", "Where the user logs off.";
    REDIRECTION_URL: Text = 4, "WISPr-Redirection-URL", "Where the user goes after login.";
    BANDWIDTH_MIN_UP: Integer = 5, "WISPr-Bandwidth-Min-Up", "Least rate from the user.";
    BANDWIDTH_MIN_DOWN: Integer = 6, "WISPr-Bandwidth-Min-Down", "Least rate to the user.";
    BANDWIDTH_MAX_UP: Integer = 7, "WISPr-Bandwidth-Max-Up", "Greatest rate from the user.";
    BANDWIDTH_MAX_DOWN: Integer = 8, "WISPr-Bandwidth-Max-Down", "Greatest rate to the user.";
    SESSION_TERMINATE_TIME: Text = 9, "WISPr-Session-Terminate-Time", "When the session ends, ISO 8601.";
    SESSION_TERMINATE_END_OF_DAY: Text = 10, "WISPr-Session-Terminate-End-Of-Day", "Whether it ends with the billing day.";
    BILLING_CLASS_OF_SERVICE: Text = 11, "WISPr-Billing-Class-Of-Service", "Class of service, for billing.";
    OFFERED_SERVICE: Text = 12, "WISPr-Offered-Service", "Service that the place offers.";
    FINANCIAL_CLEARING_PROVIDER: Text = 13, "WISPr-Financial-Clearing-Provider", "Who settles the money.";
    DATA_CLEARING_PROVIDER: Text = 14, "WISPr-Data-Clearing-Provider", "Who settles the records.";
    LINEAR_VOLUME_RATE: Octets = 15, "WISPr-Linear-Volume-Rate", "Price by volume.";
    IDENTITY_PROVIDER: Text = 16, "WISPr-Identity-Provider", "Who knows the user.";
    CUSTOM_SLA: Text = 17, "WISPr-Custom-SLA", "Agreement of service.";
}
