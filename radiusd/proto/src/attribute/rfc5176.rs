//! What RFC 5176 adds for Disconnect and CoA: Error-Cause (§3.5), and a Service-Type (§3.2). What an
//! Error-Cause means for the one who asked is decided in [`crate::dynauth`].

attributes! {
    "dictionary.rfc5176", vendor 0;
    ERROR_CAUSE: Integer = 101, "Error-Cause", "§3.5. See [`error_cause`].";

    @error_cause, "Error-Cause" {
        RESIDUAL_SESSION_CONTEXT_REMOVED = 201, "Residual-Session-Context-Removed";
        INVALID_EAP_PACKET = 202, "Invalid-EAP-Packet";
        UNSUPPORTED_ATTRIBUTE = 401, "Unsupported-Attribute";
        MISSING_ATTRIBUTE = 402, "Missing-Attribute";
        NAS_IDENTIFICATION_MISMATCH = 403, "NAS-Identification-Mismatch";
        INVALID_REQUEST = 404, "Invalid-Request";
        UNSUPPORTED_SERVICE = 405, "Unsupported-Service";
        UNSUPPORTED_EXTENSION = 406, "Unsupported-Extension";
        INVALID_ATTRIBUTE_VALUE = 407, "Invalid-Attribute-Value";
        ADMINISTRATIVELY_PROHIBITED = 501, "Administratively-Prohibited";
        REQUEST_NOT_ROUTABLE = 502, "Request-Not-Routable";
        SESSION_CONTEXT_NOT_FOUND = 503, "Session-Context-Not-Found";
        SESSION_CONTEXT_NOT_REMOVABLE = 504, "Session-Context-Not-Removable";
        OTHER_PROXY_PROCESSING_ERROR = 505, "Other-Proxy-Processing-Error";
        RESOURCES_UNAVAILABLE = 506, "Resources-Unavailable";
        REQUEST_INITIATED = 507, "Request-Initiated";
        MULTIPLE_SESSION_SELECTION_UNSUPPORTED = 508, "Multiple-Session-Selection-Unsupported";
    }
    @service_type, "Service-Type" {
        AUTHORIZE_ONLY = 17, "Authorize-Only";
    }
}
