//! The data of the customers' pages, a type a template. Everything is text that is ready to be shown, in the language of the
//! page; templates escape it, add the sentences that never change, and decide nothing but layout.

use askama::Template;

use super::Site;

/// `/h` and `/packages`: what is on sale, and what the device still has.
#[derive(Debug, Template)]
#[template(path = "customer/packages.html")]
pub(crate) struct PackagesPage {
    pub(crate) site: Site,
    /// The sealed form token.
    pub(crate) visit: String,
    /// What became of what was typed, if it cannot be said at its field.
    pub(crate) notice: Option<String>,
    /// Why a login was refused.
    pub(crate) refused: Option<RefusedLogin>,
    /// M-Pesa fails for everybody just now.
    pub(crate) trouble: Option<TroubleCard>,
    /// What the device still has.
    pub(crate) greeting: Option<Greeting>,
    /// The package that the device has: what is bought begins now, in its place, or after it.
    pub(crate) present: Option<String>,
    /// The last package again, with one tap.
    pub(crate) renew: Option<Renew>,
    /// What is on sale.
    pub(crate) cards: Vec<Card>,
    /// Whether anything can be paid here.
    pub(crate) pay: bool,
    /// The choice of a card.
    pub(crate) card_choice: Option<CardChoice>,
    /// Where a customer finds what was bought with the number before.
    pub(crate) account: String,
    /// Where it stands what is done with the number.
    pub(crate) privacy: String,
    /// The number as it was typed.
    pub(crate) phone: String,
    /// What is wrong with it.
    pub(crate) phone_error: Option<String>,
    /// The voucher code as it was typed.
    pub(crate) code: String,
    /// What is wrong with it.
    pub(crate) code_error: Option<String>,
    /// The discount's code as it was typed.
    pub(crate) discount: String,
    /// What is wrong with it.
    pub(crate) discount_error: Option<String>,
    /// The number of whoever it is paid for, as it was typed.
    pub(crate) recipient: String,
    /// What is wrong with it.
    pub(crate) recipient_error: Option<String>,
}

/// Why a login was refused, and where to go from there.
#[derive(Debug)]
pub(crate) struct RefusedLogin {
    pub(crate) sentence: String,
    /// `None`: there is nothing to press.
    pub(crate) next: Option<NextStep>,
}

/// M-Pesa fails for everybody just now.
#[derive(Debug)]
pub(crate) struct TroubleCard {
    /// What can be done instead, a line each.
    pub(crate) instead: Vec<String>,
}

/// A button that helps.
#[derive(Debug)]
pub(crate) struct NextStep {
    pub(crate) href: String,
    pub(crate) label: String,
}

/// The choice of a card beside M-Pesa.
#[derive(Debug)]
pub(crate) struct CardChoice {
    /// The lowest price that is taken so, where some are not.
    pub(crate) from: Option<String>,
    /// Nothing else is offered.
    pub(crate) only: bool,
    /// It was chosen before.
    pub(crate) chosen: bool,
}

/// "You still have … left."
#[derive(Debug)]
pub(crate) struct Greeting {
    pub(crate) package: String,
    /// Such as `until 21:40`, `488 MB`.
    pub(crate) left: String,
    /// `None`: the device is online.
    pub(crate) login: Option<LoginForm>,
}

/// The last package again.
#[derive(Debug)]
pub(crate) struct Renew {
    /// What happened to the last one, if anything is to be said.
    pub(crate) ended: Option<String>,
    /// What its button sends: the package, and the price that is shown.
    pub(crate) choice: String,
    pub(crate) package: String,
    pub(crate) price: String,
    /// The number that pays, masked.
    pub(crate) phone: String,
}

/// A package on sale.
#[derive(Debug)]
pub(crate) struct Card {
    /// What its button sends: the package, and the price that is shown.
    pub(crate) choice: String,
    pub(crate) name: String,
    /// What the operator says of it.
    pub(crate) description: Option<String>,
    pub(crate) price: String,
    /// The price before discounts, if it was lowered.
    pub(crate) before: Option<String>,
    /// By which discounts, or that a code is not needed.
    pub(crate) saving: Option<String>,
    /// What its button says.
    pub(crate) action: String,
    /// Time, data, speed, devices.
    pub(crate) facts: Vec<String>,
    /// Chosen before.
    pub(crate) chosen: bool,
}

/// A form to the router.
#[derive(Debug)]
pub(crate) struct LoginForm {
    pub(crate) action: String,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) then: Option<String>,
    /// Sent by the page's script at once; by hand without it.
    pub(crate) automatic: bool,
}

/// A login on its way to the router.
#[derive(Debug, Template)]
#[template(path = "customer/going_online.html")]
pub(crate) struct GoingOnlinePage {
    pub(crate) site: Site,
    /// What it is with: a voucher's code as it is printed, or a package.
    pub(crate) title: String,
    pub(crate) login: LoginForm,
}

/// Where a printed voucher's QR code leads.
#[derive(Debug, Template)]
#[template(path = "customer/scanned.html")]
pub(crate) struct ScannedPage {
    pub(crate) site: Site,
    /// The code as it is printed.
    pub(crate) code: String,
}

/// `/account` of somebody who is not signed in: the number.
#[derive(Debug, Template)]
#[template(path = "customer/sign_in.html")]
pub(crate) struct SignInPage {
    pub(crate) site: Site,
    /// The sealed form token; empty: the page was not opened through a router.
    pub(crate) visit: String,
    /// Whether codes can be sent.
    pub(crate) can_send: bool,
    pub(crate) notice: Option<String>,
    /// The number as it was typed.
    pub(crate) phone: String,
    /// What is wrong with it.
    pub(crate) phone_error: Option<String>,
    /// The packages, where the page was opened through a router.
    pub(crate) back: Option<String>,
    /// Where it stands what is done with the number.
    pub(crate) privacy: String,
}

/// `/privacy`: what is done with data about people.
#[derive(Debug, Template)]
#[template(path = "customer/privacy.html")]
pub(crate) struct PrivacyPage {
    pub(crate) site: Site,
    /// Who is responsible.
    pub(crate) responsible: String,
    /// How long things are kept, a sentence each.
    pub(crate) kept: Vec<String>,
    /// Whom to ask; `None`: the staff.
    pub(crate) contact: Option<String>,
    /// What the operator adds.
    pub(crate) own: Option<OwnWords>,
    /// The packages, where the page was opened through a router.
    pub(crate) back: Option<String>,
}

/// An operator's own text.
#[derive(Debug)]
pub(crate) struct OwnWords {
    /// Its language, which may not be the page's.
    pub(crate) lang: &'static str,
    pub(crate) paragraphs: Vec<String>,
}

/// The code that was sent.
#[derive(Debug, Template)]
#[template(path = "customer/code.html")]
pub(crate) struct CodePage {
    pub(crate) site: Site,
    /// The sealed request.
    pub(crate) challenge: String,
    /// Where it was sent, masked.
    pub(crate) phone: String,
    /// What is wrong with what was typed.
    pub(crate) code_error: Option<String>,
}

/// `/account`: what a customer has.
#[derive(Debug, Template)]
#[template(path = "customer/account.html")]
pub(crate) struct AccountPage {
    pub(crate) site: Site,
    pub(crate) notice: Option<String>,
    /// The sealed form token, with the session in it; empty: not through a router.
    pub(crate) visit: String,
    /// Masked.
    pub(crate) phone: String,
    pub(crate) packages: Vec<OwnedCard>,
    /// The packages on sale.
    pub(crate) buy: Option<String>,
    pub(crate) paid: Vec<PaidLine>,
    /// What the customer may be told; empty: nothing is sent here.
    pub(crate) messages: Vec<MessageChoice>,
    /// News by e-mail; `None`: none is sent here.
    pub(crate) email: Option<EmailCard>,
    /// Whether the customer wants to hear of offers; `None`: nothing is sent here.
    pub(crate) offers: Option<bool>,
    pub(crate) sessions: Vec<SignedInLine>,
}

/// A customer's e-mail address, and what goes there.
#[derive(Debug)]
pub(crate) struct EmailCard {
    /// Masked; `None`: none was named.
    pub(crate) address: Option<String>,
    /// Whether whoever reads its mail has said yes.
    pub(crate) is_proved: bool,
    /// Whether it comes before SMS.
    pub(crate) is_first: bool,
    /// Whether there is SMS here.
    pub(crate) has_sms: bool,
    /// Whether what can be refused was refused by the link in an e-mail.
    pub(crate) is_refused: bool,
}

/// The question whether an e-mail address is right.
#[derive(Debug, Template)]
#[template(path = "customer/email_proof.html")]
pub(crate) struct EmailProofPage {
    pub(crate) site: Site,
    pub(crate) address: String,
    /// Whose it shall be: the number, masked.
    pub(crate) phone: String,
    /// Where the answer goes; `None`: it was given.
    pub(crate) yes: Option<String>,
}

/// The question whether news by e-mail shall end, and the answer.
#[derive(Debug, Template)]
#[template(path = "customer/email_refusal.html")]
pub(crate) struct EmailRefusalPage {
    pub(crate) site: Site,
    /// Whose news it is: the number, masked.
    pub(crate) phone: String,
    /// Where the answer goes; `None`: it has ended.
    pub(crate) stop: Option<String>,
    /// Whether there is SMS here, by which news goes then.
    pub(crate) has_sms: bool,
    /// Where a customer finds the packages.
    pub(crate) account: String,
}

/// A package that a customer has.
#[derive(Debug)]
pub(crate) struct OwnedCard {
    pub(crate) id: String,
    pub(crate) package: String,
    pub(crate) left: String,
    pub(crate) is_usable: bool,
    /// Whether this device is online with it.
    pub(crate) is_online: bool,
    /// Whether this device can go online with it.
    pub(crate) can_use: bool,
    /// Whether it could if there were a place.
    pub(crate) is_full: bool,
    pub(crate) devices: Vec<DeviceLine>,
}

/// `/account/add`: a TV or a laptop gets a place.
#[derive(Debug, Template)]
#[template(path = "customer/add_device.html")]
pub(crate) struct AddDevicePage {
    pub(crate) site: Site,
    /// The sealed form token, with the session in it; empty: not through a router.
    pub(crate) visit: String,
    /// What is in the way.
    pub(crate) notice: Option<String>,
    /// The package whose places are all taken.
    pub(crate) full: Option<FullPackage>,
    /// The packages that it can be added to.
    pub(crate) packages: Vec<PackageChoice>,
    /// The packages on sale.
    pub(crate) buy: Option<String>,
    /// The code as it was typed.
    pub(crate) code: String,
    /// What is wrong with it.
    pub(crate) code_error: Option<String>,
    /// The address as it was typed.
    pub(crate) mac: String,
    /// What is wrong with it.
    pub(crate) mac_error: Option<String>,
    /// The device's name as it was typed.
    pub(crate) label: String,
}

/// A package that a device can be added to.
#[derive(Debug)]
pub(crate) struct PackageChoice {
    pub(crate) id: String,
    /// Its name, and what is left of it.
    pub(crate) words: String,
    /// Such as `1 of 2 devices`.
    pub(crate) devices: String,
    pub(crate) chosen: bool,
}

/// A package whose places are all taken.
#[derive(Debug)]
pub(crate) struct FullPackage {
    pub(crate) id: String,
    pub(crate) devices: Vec<DeviceLine>,
}

/// `/screen`: a code for a screen without a keyboard.
#[derive(Debug, Template)]
#[template(path = "customer/screen.html")]
pub(crate) struct ScreenPage {
    pub(crate) site: Site,
    /// Seconds after which it reads itself again.
    pub(crate) refresh: Option<u32>,
    /// The code while it waits.
    pub(crate) code: Option<String>,
    /// The package with which the screen is online. Neither this nor a code: the code is over.
    pub(crate) online: Option<String>,
    /// Where a customer finds the packages, whole.
    pub(crate) account: String,
    /// How long a code is good.
    pub(crate) minutes: u64,
    /// The sealed form token.
    pub(crate) visit: String,
}

impl ScreenPage {
    /// What it is about, by which the script knows when to leave it.
    fn stage(&self) -> &'static str {
        match (&self.code, &self.online) {
            (Some(_), _) => "waiting",
            (None, Some(_)) => "online",
            (None, None) => "over",
        }
    }
}

/// A kind of message.
#[derive(Debug)]
pub(crate) struct MessageChoice {
    pub(crate) name: &'static str,
    pub(crate) words: String,
    pub(crate) wanted: bool,
}

/// A payment.
#[derive(Debug)]
pub(crate) struct PaidLine {
    pub(crate) package: String,
    pub(crate) amount: String,
    pub(crate) at: String,
    /// Where its receipt is.
    pub(crate) receipt: String,
}

/// A sign-in.
#[derive(Debug)]
pub(crate) struct SignedInLine {
    /// What it is ended by.
    pub(crate) handle: String,
    pub(crate) place: String,
    pub(crate) seen: String,
    pub(crate) is_this: bool,
}

/// A receipt.
#[derive(Debug, Template)]
#[template(path = "customer/receipt.html")]
pub(crate) struct ReceiptPage {
    pub(crate) site: Site,
    /// What is said, and how it is called.
    pub(crate) lines: Vec<(String, String)>,
    /// Where the tax authority shows the same.
    pub(crate) check: Option<Check>,
    /// Whether its signature is to come.
    pub(crate) waits: bool,
    pub(crate) code: String,
    /// Where it is as a file.
    pub(crate) file: String,
    pub(crate) back: String,
}

/// An address as a link and as a QR code.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) address: String,
    /// The picture's side, and the path of its dark squares.
    pub(crate) side: usize,
    pub(crate) squares: String,
}

/// The page of an order, in whatever stage it is.
#[derive(Debug, Template)]
#[template(path = "customer/order.html")]
pub(crate) struct OrderPage {
    pub(crate) site: Site,
    /// The stage's name, compared by the script.
    pub(crate) stage: &'static str,
    /// Where the script asks for news.
    pub(crate) state_url: String,
    /// Where it is told by itself.
    pub(crate) events_url: String,
    /// Seconds after which the page is read again without a script.
    pub(crate) refresh: Option<u32>,
    /// Whether something is still going on.
    pub(crate) busy: bool,
    /// How it looks: `info`, `success`, `warning`, `danger`.
    pub(crate) tone: &'static str,
    pub(crate) headline: String,
    pub(crate) detail: String,
    /// Why a login was refused.
    pub(crate) refused: Option<RefusedLogin>,
    /// M-Pesa fails for everybody just now.
    pub(crate) trouble: Option<TroubleCard>,
    /// The order was paid twice, in a sentence.
    pub(crate) paid_twice: Option<String>,
    pub(crate) package: String,
    pub(crate) price: String,
    /// What lowered the price, a line each.
    pub(crate) savings: Vec<String>,
    /// The order's code, for the support.
    pub(crate) code: String,
    /// The form to the router.
    pub(crate) login: Option<LoginForm>,
    /// The voucher that was paid for another.
    pub(crate) given: Option<GivenVoucher>,
    /// What a card has to do with it.
    pub(crate) card: Option<CardPart>,
    /// How to pay from the M-Pesa menu.
    pub(crate) menu: Option<Menu>,
    /// Where a new payment of this order is asked for.
    pub(crate) again: Option<String>,
    /// The packages.
    pub(crate) packages: Option<String>,
    /// What the link to the packages says.
    pub(crate) packages_label: String,
    /// Where the guest wanted to go.
    pub(crate) onward: Option<Onward>,
    /// The devices that have a place.
    pub(crate) devices: Vec<DeviceLine>,
    /// Where one is removed.
    pub(crate) devices_url: String,
    /// Where the customer's packages are, once something was paid.
    pub(crate) account: Option<String>,
    /// Where the receipt is, once something was paid.
    pub(crate) receipt: Option<String>,
}

/// How an order is paid from the M-Pesa menu.
#[derive(Debug)]
pub(crate) struct Menu {
    /// In a sentence.
    pub(crate) how: String,
    /// Whether it is shown without being asked for.
    pub(crate) is_open: bool,
}

/// A voucher that was paid for another, as its payer sees it.
#[derive(Debug)]
pub(crate) struct GivenVoucher {
    /// The code as it is printed.
    pub(crate) code: String,
    /// Where it is kept ready, whole.
    pub(crate) link: String,
    /// What to do with it.
    pub(crate) advice: String,
}

/// What the page of an order has for cards: the way to the page that is open, or to a new one.
#[derive(Debug)]
pub(crate) struct CardPart {
    /// The page on which the card is typed, while it is open.
    pub(crate) url: Option<String>,
    /// The form that lets the guest out and goes on to that page.
    pub(crate) grace: Option<LoginForm>,
    /// Nobody lets the guest out: the page of the bank may not load.
    pub(crate) may_not_load: bool,
    /// Where another payment is asked for.
    pub(crate) action: String,
    /// Whether M-Pesa is offered instead.
    pub(crate) phone: bool,
    /// Whether a new page is offered.
    pub(crate) again: bool,
}

/// A device that has a place.
#[derive(Debug)]
pub(crate) struct DeviceLine {
    pub(crate) mac: String,
    /// What its owner calls it.
    pub(crate) label: String,
    /// Such as `online`, `this device`.
    pub(crate) note: String,
    /// Whether it can be removed from here.
    pub(crate) removable: bool,
}

/// A link out.
#[derive(Debug)]
pub(crate) struct Onward {
    pub(crate) href: String,
    pub(crate) host: String,
}

/// A page that says what is wrong, and what to do.
#[derive(Debug, Template)]
#[template(path = "customer/problem.html")]
pub(crate) struct ProblemPage {
    pub(crate) site: Site,
    pub(crate) title: String,
    pub(crate) text: String,
    /// Whether the page reads itself again.
    pub(crate) try_again: bool,
}

#[cfg(test)]
mod tests {
    use shared::language::Language;

    use super::*;
    use crate::middleware::language::Speech;

    const NASTY: &str = "<script>alert('x')</script>\"&";

    fn site(language: Language) -> Site {
        let site = Site {
            brand: "Mlango Wi-Fi".into(),
            support_phone: "0700 000 000".into(),
            stylesheet: "/brand/0/portal.css".into(),
            speech: Speech::said(language),
            switch: None,
        };
        site.at(&format!("/packages?visit={}", "v".repeat(500)))
    }

    fn login() -> LoginForm {
        LoginForm {
            action: "http://10.5.50.1/login".into(),
            username: "AB12CD34".into(),
            password: NASTY.into(),
            then: Some("http://127.0.0.1:8080/o/x?back=1".into()),
            automatic: true,
        }
    }

    fn refused() -> RefusedLogin {
        RefusedLogin {
            sentence: NASTY.into(),
            next: Some(NextStep { href: "/account?visit=v".into(), label: "Open my packages".into() }),
        }
    }

    fn device() -> DeviceLine {
        DeviceLine { mac: NASTY.into(), label: NASTY.into(), note: NASTY.into(), removable: true }
    }

    fn email(address: Option<&str>, is_proved: bool) -> EmailCard {
        EmailCard {
            address: address.map(str::to_owned),
            is_proved,
            is_first: is_proved,
            has_sms: true,
            is_refused: false,
        }
    }

    fn proof(language: Language, yes: Option<&str>) -> EmailProofPage {
        EmailProofPage { site: site(language), address: NASTY.into(), phone: NASTY.into(), yes: yes.map(str::to_owned) }
    }

    fn refusal(language: Language, stop: Option<&str>) -> EmailRefusalPage {
        EmailRefusalPage {
            site: site(language),
            phone: NASTY.into(),
            stop: stop.map(str::to_owned),
            has_sms: true,
            account: "/account".into(),
        }
    }

    fn account(language: Language) -> AccountPage {
        let owned = |is_usable| OwnedCard {
            id: NASTY.into(),
            package: NASTY.into(),
            left: NASTY.into(),
            is_usable,
            is_online: true,
            can_use: true,
            is_full: true,
            devices: vec![device()],
        };
        let signed_in =
            |is_this| SignedInLine { handle: NASTY.into(), place: NASTY.into(), seen: NASTY.into(), is_this };
        AccountPage {
            site: site(language),
            notice: Some(NASTY.into()),
            visit: "v".into(),
            phone: NASTY.into(),
            packages: vec![owned(true), owned(false)],
            buy: Some("/packages?visit=v".into()),
            paid: vec![PaidLine {
                package: NASTY.into(),
                amount: NASTY.into(),
                at: NASTY.into(),
                receipt: "/o/x/receipt".into(),
            }],
            messages: vec![
                MessageChoice { name: "ended", words: NASTY.into(), wanted: true },
                MessageChoice { name: "trouble", words: NASTY.into(), wanted: false },
            ],
            email: Some(email(Some(NASTY), true)),
            offers: Some(true),
            sessions: vec![signed_in(true), signed_in(false)],
        }
    }

    fn sign_in(language: Language, can_send: bool) -> SignInPage {
        SignInPage {
            site: site(language),
            visit: "v".into(),
            can_send,
            notice: Some(NASTY.into()),
            phone: NASTY.into(),
            phone_error: Some(NASTY.into()),
            back: Some("/packages?visit=v".into()),
            privacy: "/privacy?visit=v".into(),
        }
    }

    fn privacy(language: Language, own: Option<OwnWords>) -> PrivacyPage {
        PrivacyPage {
            site: site(language),
            responsible: NASTY.into(),
            kept: vec![NASTY.into()],
            contact: own.as_ref().map(|_| NASTY.into()),
            own,
            back: Some("/packages?visit=v".into()),
        }
    }

    fn packages(language: Language) -> PackagesPage {
        let card = |chosen| Card {
            choice: "hour:1600".into(),
            name: NASTY.into(),
            description: Some(NASTY.into()),
            price: "KSh 16".into(),
            before: Some("KSh 20".into()),
            saving: Some(NASTY.into()),
            action: "Pay KSh 20".into(),
            facts: vec!["1 hour".into(), "500 MB".into(), "5 Mbit/s".into()],
            chosen,
        };
        PackagesPage {
            site: site(language),
            visit: "v".repeat(500),
            notice: Some(NASTY.into()),
            refused: Some(refused()),
            trouble: Some(TroubleCard { instead: vec![NASTY.into()] }),
            greeting: Some(Greeting { package: NASTY.into(), left: "until 21:40".into(), login: Some(login()) }),
            present: Some(NASTY.into()),
            renew: Some(Renew {
                ended: Some(NASTY.into()),
                choice: "hour:2000".into(),
                package: NASTY.into(),
                price: "KSh 20".into(),
                phone: "07xx xxx 678".into(),
            }),
            cards: (0..6).map(|at| card(at == 1)).collect(),
            pay: true,
            card_choice: Some(CardChoice { from: Some("KSh 70".into()), only: false, chosen: true }),
            account: "/account?visit=v".into(),
            privacy: format!("/privacy?visit={}", "v".repeat(500)),
            phone: NASTY.into(),
            phone_error: Some("Please check the number.".into()),
            code: NASTY.into(),
            code_error: Some("Please check the code.".into()),
            discount: NASTY.into(),
            discount_error: Some("We do not know this code.".into()),
            recipient: NASTY.into(),
            recipient_error: Some("Please check the number.".into()),
        }
    }

    fn card_part() -> CardPart {
        CardPart {
            url: Some(NASTY.into()),
            grace: Some(login()),
            may_not_load: true,
            action: "/o/x/again".into(),
            phone: true,
            again: true,
        }
    }

    fn order(language: Language) -> OrderPage {
        OrderPage {
            site: site(language),
            stage: "go_online",
            state_url: "/o/x/state".into(),
            events_url: "/o/x/events".into(),
            refresh: Some(4),
            busy: true,
            tone: "info",
            headline: "Look at your phone".into(),
            detail: "Enter your M-Pesa PIN.".into(),
            refused: Some(refused()),
            trouble: Some(TroubleCard { instead: vec![NASTY.into()] }),
            paid_twice: Some(NASTY.into()),
            package: NASTY.into(),
            price: "KSh 20".into(),
            savings: vec![NASTY.into()],
            code: "AB12CD34".into(),
            login: Some(login()),
            given: Some(GivenVoucher { code: NASTY.into(), link: NASTY.into(), advice: NASTY.into() }),
            card: Some(card_part()),
            menu: Some(Menu { how: NASTY.into(), is_open: true }),
            again: Some("/o/x/again".into()),
            packages: Some("/packages?visit=v".into()),
            packages_label: "Choose another package".into(),
            onward: Some(Onward { href: "http://example.com/".into(), host: "example.com".into() }),
            devices: vec![device()],
            devices_url: "/o/x/devices".into(),
            account: Some("/o/x/account".into()),
            receipt: Some("/o/x/receipt".into()),
        }
    }

    fn add_device(language: Language, packages: bool) -> AddDevicePage {
        let choice = PackageChoice { id: NASTY.into(), words: NASTY.into(), devices: NASTY.into(), chosen: true };
        AddDevicePage {
            site: site(language),
            visit: "v".into(),
            notice: Some(NASTY.into()),
            full: Some(FullPackage { id: NASTY.into(), devices: vec![device()] }),
            packages: if packages { vec![choice] } else { Vec::new() },
            buy: Some("/packages?visit=v".into()),
            code: NASTY.into(),
            code_error: Some(NASTY.into()),
            mac: NASTY.into(),
            mac_error: Some(NASTY.into()),
            label: NASTY.into(),
        }
    }

    fn screen(language: Language, code: Option<&str>, online: Option<&str>) -> ScreenPage {
        ScreenPage {
            site: site(language),
            refresh: code.map(|_| 4),
            code: code.map(str::to_owned),
            online: online.map(str::to_owned),
            account: NASTY.into(),
            minutes: 10,
            visit: "v".into(),
        }
    }

    /// Every template, full of markup where outside text goes.
    fn pages(language: Language) -> Vec<askama::Result<String>> {
        let site = || site(language);
        vec![
            packages(language).render(),
            PackagesPage { pay: false, ..packages(language) }.render(),
            PackagesPage { cards: Vec::new(), greeting: None, ..packages(language) }.render(),
            PackagesPage {
                card_choice: Some(CardChoice { from: None, only: false, chosen: false }),
                ..packages(language)
            }
            .render(),
            order(language).render(),
            OrderPage { card: Some(CardPart { grace: None, ..card_part() }), ..order(language) }.render(),
            GoingOnlinePage { site: site(), title: NASTY.into(), login: login() }.render(),
            ScannedPage { site: site(), code: NASTY.into() }.render(),
            account(language).render(),
            AccountPage { packages: Vec::new(), ..account(language) }.render(),
            AccountPage { email: Some(email(Some(NASTY), false)), ..account(language) }.render(),
            AccountPage { email: Some(email(None, false)), offers: Some(false), ..account(language) }.render(),
            AccountPage { offers: None, ..account(language) }.render(),
            privacy(language, Some(OwnWords { lang: "en", paragraphs: vec![NASTY.into()] })).render(),
            privacy(language, None).render(),
            AccountPage { email: Some(EmailCard { is_first: false, ..email(Some(NASTY), true) }), ..account(language) }
                .render(),
            AccountPage {
                email: Some(EmailCard { is_refused: true, ..email(Some(NASTY), true) }),
                ..account(language)
            }
            .render(),
            refusal(language, Some("/u/x")).render(),
            refusal(language, None).render(),
            proof(language, Some("/e/x")).render(),
            proof(language, None).render(),
            sign_in(language, true).render(),
            sign_in(language, false).render(),
            add_device(language, true).render(),
            add_device(language, false).render(),
            screen(language, Some(NASTY), None).render(),
            screen(language, None, Some(NASTY)).render(),
            screen(language, None, None).render(),
            CodePage { site: site(), challenge: "c".into(), phone: NASTY.into(), code_error: Some(NASTY.into()) }
                .render(),
            ReceiptPage {
                site: site(),
                lines: vec![(NASTY.into(), NASTY.into())],
                check: Some(Check { address: NASTY.into(), side: 29, squares: "M4 4h7v1h-7z".into() }),
                waits: true,
                code: NASTY.into(),
                file: "/o/x/receipt.pdf".into(),
                back: "/o/x".into(),
            }
            .render(),
            ProblemPage { site: site(), title: NASTY.into(), text: NASTY.into(), try_again: true }.render(),
        ]
    }

    #[test]
    fn every_template_renders_and_escapes_in_every_language() {
        for language in Language::ALL {
            for page in pages(language) {
                let page = page.expect("renders");
                let head = format!("<!doctype html>\n<html lang=\"{}\">", language.as_str());
                assert!(page.starts_with(&head), "{page}");
                assert!(!page.contains("alert('x')"), "{page}");
                assert!(!page.contains("style=") && !has_handler(&page), "no inline style or handler: {page}");
                assert!(page.contains("Mlango Wi-Fi") && page.contains("0700 000 000"));
                assert!(page.contains("name=\"viewport\""));
                assert!(!page.contains("{$"), "a value is missing: {page}");
                assert!(!page.contains(['\u{2068}', '\u{2069}']), "marks of direction: {page}");
                let other = language.other();
                assert!(page.contains(&format!("lang=\"{}\">{}<", other.as_str(), other.name())), "{page}");
            }
        }
    }

    /// Where a page goes, the language goes along: in every form and link of ours, and in none of the router's.
    #[test]
    fn a_language_that_was_chosen_is_in_every_address() {
        let swahili = Language::Swahili;
        let forms = [
            packages(swahili).render(),
            account(swahili).render(),
            add_device(swahili, true).render(),
            screen(swahili, None, None).render(),
        ];
        let code =
            CodePage { site: site(Language::Swahili), challenge: "c".into(), phone: "".into(), code_error: None };
        for page in forms.into_iter().chain([sign_in(Language::Swahili, true).render(), code.render()]) {
            let page = page.expect("renders");
            for action in page.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert_eq!(action.starts_with('/'), action.ends_with("?lang=sw"), "{action}");
            }
        }
    }

    #[test]
    fn a_page_that_answers_a_form_is_had_again_by_that_form() {
        let fields = vec![("visit", "v".to_owned()), ("code", NASTY.to_owned())];
        let site = site(Language::English).by("/voucher", fields);
        let page = GoingOnlinePage { site, title: "x".into(), login: login() }.render().expect("renders");
        assert!(page.contains("action=\"/voucher?lang=sw\"") && page.contains("name=\"code\""), "{page}");
        assert!(!page.contains("alert('x')") && page.contains(">Kiswahili</button>"), "{page}");
    }

    /// Whether a tag has an attribute such as `onclick=`.
    fn has_handler(page: &str) -> bool {
        page.split_whitespace().any(|word| word.split_once('=').is_some_and(|(name, _)| name.starts_with("on")))
    }

    #[test]
    fn every_field_has_a_label_and_errors_are_tied_to_their_field() {
        let page = packages(Language::English).render().expect("renders");
        for id in ["phone", "code", "discount"] {
            assert!(page.contains(&format!("for=\"{id}\"")), "label of {id}");
            assert!(page.contains(&format!("aria-describedby=\"{id}-error\"")), "error of {id}");
        }
        assert!(page.contains("for=\"recipient\"") && page.contains("recipient-help recipient-error"));
        assert!(page.contains("inputmode=\"tel\""));
        let page = add_device(Language::English, true).render().expect("renders");
        for id in ["code", "mac"] {
            assert!(page.contains(&format!("for=\"{id}\"")), "label of {id}");
            assert!(page.contains(&format!("aria-describedby=\"{id}-error\"")), "error of {id}");
        }
    }

    /// conventions.md: the first page weighs at most 40 kB raw, everything it loads included, in every language.
    #[test]
    fn the_first_page_is_light() {
        let file = |name| crate::views::assets::get(name).expect("embedded").content.len();
        let (css, js) = (file("portal.css"), file("portal.js"));
        assert!(css <= 14 * 1024 && js <= 3 * 1024, "css {css}, js {js}");
        for language in Language::ALL {
            let page = packages(language).render().expect("renders").len();
            assert!(page + css + js <= 40 * 1024, "{language:?}: page {page}, css {css}, js {js}");
        }
    }
}
