//! What customers are told, how, and when: the kinds of news, their channels, and those that can wait for the morning.

/// A kind of news.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Notice {
    /// A payment became access.
    PaymentReceived,
    /// Somebody has paid for them: the code of a voucher.
    Given,
    /// Access ends in some minutes.
    EndsSoon,
    /// Four fifths of the data are used.
    DataLow,
    /// A twentieth of the data is left.
    DataNearlyUsed,
    /// Access has ended.
    Ended,
    /// A device that was not there before uses the package.
    NewDevice,
    /// The network is down where the customer was online.
    Trouble,
    /// It is back.
    TroubleOver,
    /// An e-mail address was named, and whoever reads its mail is asked whether it is theirs. It goes there alone.
    AddressProof,
    /// An offer of a campaign, to those who have said that they want offers.
    Offer,
}

/// A way on which news goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Channel {
    /// A text message.
    Sms,
    /// An e-mail.
    Email,
}

impl Channel {
    /// Its name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Sms => "sms",
            Channel::Email => "email",
        }
    }

    /// Reads that name.
    pub fn parse(text: &str) -> Option<Channel> {
        [Channel::Sms, Channel::Email].into_iter().find(|channel| channel.as_str() == text)
    }
}

impl Notice {
    /// All of them.
    pub const ALL: [Notice; 11] = [
        Notice::PaymentReceived,
        Notice::Given,
        Notice::EndsSoon,
        Notice::DataLow,
        Notice::DataNearlyUsed,
        Notice::Ended,
        Notice::NewDevice,
        Notice::Trouble,
        Notice::TroubleOver,
        Notice::AddressProof,
        Notice::Offer,
    ];

    /// Its name in the database, in commands and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Notice::PaymentReceived => "payment_received",
            Notice::Given => "given",
            Notice::EndsSoon => "ends_soon",
            Notice::DataLow => "data_low",
            Notice::DataNearlyUsed => "data_nearly_used",
            Notice::Ended => "ended",
            Notice::NewDevice => "new_device",
            Notice::Trouble => "trouble",
            Notice::TroubleOver => "trouble_over",
            Notice::AddressProof => "address_proof",
            Notice::Offer => "offer",
        }
    }

    /// Reads that name.
    pub fn parse(text: &str) -> Option<Notice> {
        Notice::ALL.into_iter().find(|notice| notice.as_str() == text)
    }

    /// Whether customers choose to be told it among the others. The proof of an address is asked for each time; whether offers are wanted is
    /// asked by itself, and not taken for granted.
    pub fn is_a_choice(self) -> bool {
        !matches!(self, Notice::AddressProof | Notice::Offer)
    }

    /// Whether whoever gets it by e-mail can refuse it with one click (RFC 8058). A receipt, a code that was paid for and what is about
    /// the safety of a package are no mailing: they go on, and say so.
    pub fn can_be_refused(self) -> bool {
        match self {
            Notice::EndsSoon | Notice::DataLow | Notice::DataNearlyUsed => true,
            Notice::Ended | Notice::Trouble | Notice::TroubleOver | Notice::Offer => true,
            Notice::PaymentReceived | Notice::Given | Notice::NewDevice | Notice::AddressProof => false,
        }
    }

    /// Whether it waits while people sleep. What somebody has just done, or is in the middle of, does not.
    pub fn keeps_quiet_hours(self) -> bool {
        match self {
            Notice::PaymentReceived | Notice::EndsSoon | Notice::DataLow | Notice::DataNearlyUsed => false,
            Notice::NewDevice | Notice::AddressProof | Notice::Given => false,
            Notice::Ended | Notice::Trouble | Notice::TroubleOver | Notice::Offer => true,
        }
    }
}

/// The parts of a quota, in hundredths, at which a customer is told.
pub const DATA_LOW: (u64, u64) = (80, 95);

/// What is told when usage of a quota goes from `before` to `after`: the later of what was passed.
pub fn passed(quota: u64, before: u64, after: u64) -> Option<Notice> {
    let passes = |percent: u64| {
        let mark = u64::try_from(u128::from(quota) * u128::from(percent) / 100).unwrap_or(u64::MAX);
        before < mark && after >= mark && after < quota
    };
    if passes(DATA_LOW.1) {
        Some(Notice::DataNearlyUsed)
    } else if passes(DATA_LOW.0) {
        Some(Notice::DataLow)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        assert!(Notice::ALL.iter().all(|notice| Notice::parse(notice.as_str()) == Some(*notice)));
        assert_eq!(Notice::parse("weather"), None);
        assert_eq!((Channel::parse("email"), Channel::parse("pigeon")), (Some(Channel::Email), None));
    }

    #[test]
    fn each_mark_is_passed_once_and_the_end_is_other_news() {
        let table = [
            (0, 79, None),
            (0, 80, Some(Notice::DataLow)),
            (80, 94, None),
            (79, 95, Some(Notice::DataNearlyUsed)),
            (95, 99, None),
            (0, 100, None),
            (0, 250, None),
        ];
        for (before, after, expected) in table {
            assert_eq!(passed(100, before, after), expected, "{before} to {after}");
        }
        assert_eq!(passed(u64::MAX, 0, u64::MAX - 1), Some(Notice::DataNearlyUsed));
        assert_eq!(passed(1, 0, 0), None);
    }
}
