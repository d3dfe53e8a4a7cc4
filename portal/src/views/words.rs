//! Plain words for what M-Pesa and the store say; what routers say is in [`super::refused`].
//!
//! M-Pesa's reasons come as [`Reason`]. A guest reads what happened and what to do next, never a code.

use shared::discount::CodeProblem;
use shared::hours::Hours;
use shared::language::Language;
use shared::notice::Notice;
use shared::sale::NotOffered;
use shared::voucher::NotACode;
use store::discount::Gone;
use store::order::NotPlaced;

use super::text::say;
use crate::payments::STRIPE;
use crate::payments::reason::Reason;

/// Why a payment failed, and what to do.
pub fn failure(language: Language, reason: Reason) -> (String, String) {
    let (what, advice) = match reason {
        Reason::NoFunds => ("failure-no-funds", "failure-no-funds-advice"),
        Reason::Cancelled => ("failure-cancelled", "failure-cancelled-advice"),
        Reason::WrongPin => ("failure-wrong-pin", "failure-wrong-pin-advice"),
        Reason::NoAnswer => ("failure-no-answer", "failure-no-answer-advice"),
        Reason::Expired => ("failure-expired", "failure-expired-advice"),
        Reason::OverLimit => ("failure-over-limit", "failure-over-limit-advice"),
        Reason::LineBusy => ("failure-line-busy", "failure-line-busy-advice"),
        Reason::RuleLimited | Reason::SystemBusy | Reason::PushError => {
            ("failure-mpesa-failed", "failure-mpesa-failed-advice")
        }
        Reason::Unreachable | Reason::Throttled => ("failure-unreachable", "failure-unreachable-advice"),
        Reason::Misconfigured | Reason::Credentials | Reason::Rejected => {
            ("failure-our-fault", "failure-our-fault-advice")
        }
        Reason::Declined => ("failure-declined", "failure-declined-advice"),
        Reason::PageClosed => ("failure-page-closed", "failure-page-closed-advice"),
        Reason::NoNews | Reason::Unlisted => ("failure-no-news", "failure-no-news-advice"),
    };
    (say(language, what).to_string(), say(language, advice).to_string())
}

/// The same of a payment by card, where M-Pesa's words would mislead.
pub fn card_failure(language: Language, reason: Reason) -> (String, String) {
    let (what, advice) = match reason {
        Reason::Unreachable | Reason::Throttled => ("failure-card-unreachable", "failure-card-unreachable-advice"),
        Reason::Credentials | Reason::Rejected | Reason::Misconfigured => {
            ("failure-card-our-fault", "failure-card-our-fault-advice")
        }
        Reason::NoNews | Reason::Unlisted => ("failure-card-no-news", "failure-card-no-news-advice"),
        other => return failure(language, other),
    };
    (say(language, what).to_string(), say(language, advice).to_string())
}

/// Why a discount's code does not count.
pub fn code_problem(language: Language, problem: &CodeProblem) -> String {
    let said = match problem {
        CodeProblem::Unknown => say(language, "discount-unknown"),
        CodeProblem::NotYet => say(language, "discount-not-yet"),
        CodeProblem::Over => say(language, "discount-over"),
        CodeProblem::UsedUp => say(language, "discount-used-up"),
        CodeProblem::OtherPlace => say(language, "discount-other-place"),
        CodeProblem::OtherPackage => say(language, "discount-other-package"),
        CodeProblem::OtherHours(open) => say(language, "discount-other-hours").with("hours", hours(language, open)),
        CodeProblem::WhoPays => say(language, "discount-who-pays"),
        CodeProblem::OwnCode => say(language, "discount-own-code"),
        CodeProblem::TurnIsTaken => say(language, "discount-turn-is-taken"),
        CodeProblem::UsedByYou => say(language, "discount-used-by-you"),
        CodeProblem::FirstPurchaseOnly => say(language, "discount-first-purchase"),
        CodeProblem::OtherTurn(nth) => say(language, "discount-other-turn").with("count", nth),
    };
    said.to_string()
}

/// Why an order is not made.
pub fn not_placed(language: Language, problem: &NotPlaced) -> String {
    let said = match problem {
        NotPlaced::TooOften { package, most } => {
            say(language, "placed-too-often").with("package", package).count("count", u64::from(*most))
        }
        NotPlaced::TooOftenToday { package, most } => {
            say(language, "placed-too-often-today").with("package", package).count("count", u64::from(*most))
        }
        NotPlaced::Discount { discount, gone } => match gone {
            Gone::Over => say(language, "placed-discount-over").with("discount", discount),
            Gone::UsedUp => say(language, "placed-discount-used-up").with("discount", discount),
            Gone::OnAnotherOrder => say(language, "placed-discount-on-another-order").with("discount", discount),
            Gone::WaitsOnAnotherOrder => say(language, "placed-discount-waits").with("discount", discount),
            Gone::OtherPurchase => say(language, "placed-discount-other-purchase").with("discount", discount),
        },
    };
    said.to_string()
}

/// Why a package that is sold cannot be bought here and now. `package`: its name in that language.
pub fn not_offered(language: Language, package: &str, problem: &NotOffered) -> String {
    let said = match problem {
        NotOffered::NotHere => say(language, "packages-not-here").with("package", package),
        NotOffered::NotYet => say(language, "packages-not-yet").with("package", package),
        NotOffered::Over => say(language, "packages-sale-is-over").with("package", package),
        NotOffered::OtherHours(open) => {
            say(language, "packages-other-hours").with("package", package).with("hours", hours(language, open))
        }
    };
    said.to_string()
}

/// The key of what is wrong with something that is no voucher's code.
pub fn not_a_code(problem: NotACode) -> &'static str {
    match problem {
        NotACode::Grammar => "voucher-grammar",
        NotACode::Mistyped => "voucher-mistyped",
    }
}

/// The key of what the receipt of a provider is called.
pub fn receipt(provider: &str) -> &'static str {
    match provider {
        STRIPE => "receipt-card",
        // Money that only the bank's statement told of; no other cash has a receipt.
        "cash" => "receipt-bank",
        _ => "receipt-mpesa",
    }
}

/// What a customer may be told, for the choice of it.
pub fn notice(language: Language, notice: Notice) -> String {
    let key = match notice {
        Notice::PaymentReceived => "notice-payment-received",
        Notice::Given => "notice-given",
        Notice::EndsSoon => "notice-ends-soon",
        Notice::DataLow => "notice-data-low",
        Notice::DataNearlyUsed => "notice-data-nearly-used",
        Notice::Ended => "notice-ended",
        Notice::NewDevice => "notice-new-device",
        Notice::Trouble => "notice-trouble",
        Notice::TroubleOver => "notice-trouble-over",
        Notice::AddressProof => "notice-address-proof",
        Notice::Offer => "notice-offer",
    };
    say(language, key).to_string()
}

/// Hours of the week.
pub fn hours(language: Language, hours: &Hours) -> String {
    let day = |day: u64| say(language, "hours-day").count("day", day).to_string();
    let daily = say(language, "hours-daily").to_string();
    hours.in_words(&[1, 2, 3, 4, 5, 6, 7].map(day), &daily)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_called_by_who_has_the_money() {
        let called = |provider| say(Language::English, receipt(provider)).to_string();
        assert_eq!(["mpesa", "stripe", "cash"].map(called), ["M-Pesa receipt", "Card payment", "Bank payment"]);
    }

    /// Their English is written twice, for people here and for the command line where they are made: it must not differ.
    #[test]
    fn what_the_store_says_is_said_with_the_same_words() {
        let open: Hours = "mon-fri 08:00-17:00".parse().expect("hours");
        for problem in [
            CodeProblem::Unknown,
            CodeProblem::NotYet,
            CodeProblem::Over,
            CodeProblem::UsedUp,
            CodeProblem::OtherPlace,
            CodeProblem::OtherPackage,
            CodeProblem::OtherHours(open),
            CodeProblem::WhoPays,
            CodeProblem::OwnCode,
            CodeProblem::TurnIsTaken,
            CodeProblem::UsedByYou,
            CodeProblem::FirstPurchaseOnly,
            CodeProblem::OtherTurn(10),
        ] {
            assert_eq!(code_problem(Language::English, &problem), problem.to_string());
            assert_ne!(code_problem(Language::Swahili, &problem), problem.to_string());
        }
        let package = || "1 hour".to_owned();
        let mut problems: Vec<NotPlaced> =
            Gone::ALL.into_iter().map(|gone| NotPlaced::Discount { discount: "Happy hour".into(), gone }).collect();
        for most in 1..4 {
            problems.push(NotPlaced::TooOften { package: package(), most });
            problems.push(NotPlaced::TooOftenToday { package: package(), most });
        }
        for problem in problems {
            assert_eq!(not_placed(Language::English, &problem), problem.to_string());
            assert_ne!(not_placed(Language::Swahili, &problem), problem.to_string());
        }
    }

    #[test]
    fn a_package_that_is_not_offered_says_when_it_is() {
        let evening = NotOffered::OtherHours("mon-fri 18:00-22:00".parse().expect("hours"));
        let said = |language| not_offered(language, "Usiku", &evening);
        assert_eq!(said(Language::English), "Usiku is sold at these hours only: Mon–Fri 18:00–22:00.");
        assert!(said(Language::Swahili).contains("Jumatatu–Ijumaa 18:00–22:00"));
        for problem in [NotOffered::NotHere, NotOffered::NotYet, NotOffered::Over] {
            let said = |language| not_offered(language, "Usiku", &problem);
            assert!(said(Language::English).contains("Usiku") && said(Language::Swahili).contains("Usiku"));
            assert_ne!(said(Language::English), said(Language::Swahili));
        }
    }

    #[test]
    fn hours_have_days_in_both_languages() {
        let open: Hours = "mon-fri 08:00-17:00, sun 09:00-13:00".parse().expect("hours");
        assert_eq!(hours(Language::English, &open), open.to_string());
        let swahili = "Jumatatu–Ijumaa 08:00–17:00, Jumapili 09:00–13:00";
        assert_eq!(hours(Language::Swahili, &open), swahili);
        let nightly: Hours = "daily 22:00-06:00".parse().expect("hours");
        assert_eq!(hours(Language::English, &nightly), nightly.to_string());
    }
}
