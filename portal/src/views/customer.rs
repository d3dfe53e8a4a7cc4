//! The data of the customers' pages, a type a template. Everything is text that is ready to be shown; templates
//! escape it and decide nothing but layout.

use askama::Template;

use super::Site;

/// `/h` and `/packages`: what is on sale, and what the device still has.
#[derive(Debug, Template)]
#[template(path = "customer/packages.html")]
pub(crate) struct PackagesPage {
    pub(crate) site: Site,
    /// The sealed form token.
    pub(crate) visit: String,
    /// What the router said, in plain words.
    pub(crate) notice: Option<String>,
    /// What the device still has.
    pub(crate) greeting: Option<Greeting>,
    /// The package that the device has: what is bought begins now, in its place, or after it.
    pub(crate) present: Option<String>,
    /// The last package again, with one tap.
    pub(crate) renew: Option<Renew>,
    /// What is on sale.
    pub(crate) cards: Vec<Card>,
    /// Whether M-Pesa is offered.
    pub(crate) pay: bool,
    /// The number as it was typed.
    pub(crate) phone: String,
    /// What is wrong with it.
    pub(crate) phone_error: Option<String>,
    /// The voucher code as it was typed.
    pub(crate) code: String,
    /// What is wrong with it.
    pub(crate) code_error: Option<String>,
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
    pub(crate) ended: Option<&'static str>,
    pub(crate) slug: String,
    pub(crate) package: String,
    pub(crate) price: String,
    /// The number that pays, masked.
    pub(crate) phone: String,
}

/// A package on sale.
#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) price: String,
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

/// A voucher on its way to the router.
#[derive(Debug, Template)]
#[template(path = "customer/voucher.html")]
pub(crate) struct VoucherPage {
    pub(crate) site: Site,
    /// The code as it is printed.
    pub(crate) code: String,
    pub(crate) login: LoginForm,
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
    /// Seconds after which the page is read again without a script.
    pub(crate) refresh: Option<u32>,
    /// Whether something is still going on.
    pub(crate) busy: bool,
    /// How it looks: `info`, `success`, `warning`, `danger`.
    pub(crate) tone: &'static str,
    pub(crate) headline: String,
    pub(crate) detail: String,
    /// What the router said, in plain words.
    pub(crate) notice: Option<String>,
    pub(crate) package: String,
    pub(crate) price: String,
    /// The order's code, for the support.
    pub(crate) code: String,
    /// The form to the router.
    pub(crate) login: Option<LoginForm>,
    /// Where a new payment of this order is asked for.
    pub(crate) again: Option<String>,
    /// The packages.
    pub(crate) packages: Option<String>,
    /// What the link to the packages says.
    pub(crate) packages_label: &'static str,
    /// Where the guest wanted to go.
    pub(crate) onward: Option<Onward>,
    /// The devices that have a place.
    pub(crate) devices: Vec<DeviceLine>,
    /// Where one is removed.
    pub(crate) devices_url: String,
}

/// A device that has a place.
#[derive(Debug)]
pub(crate) struct DeviceLine {
    pub(crate) mac: String,
    /// Such as `online`, `this device`.
    pub(crate) note: &'static str,
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
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    /// Whether the page reads itself again.
    pub(crate) try_again: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "<script>alert('x')</script>\"&";

    fn site() -> Site {
        Site { brand: "Mlango Wi-Fi".into(), support_phone: "0700 000 000".into() }
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

    fn packages() -> PackagesPage {
        let card = |chosen| Card {
            slug: "hour".into(),
            name: NASTY.into(),
            price: "KSh 20".into(),
            action: "Pay KSh 20".into(),
            facts: vec!["1 hour".into(), "500 MB".into(), "5 Mbit/s".into()],
            chosen,
        };
        PackagesPage {
            site: site(),
            visit: "v".repeat(500),
            notice: Some(NASTY.into()),
            greeting: Some(Greeting { package: NASTY.into(), left: "until 21:40".into(), login: Some(login()) }),
            present: Some(NASTY.into()),
            renew: Some(Renew {
                ended: Some("Your time is over."),
                slug: "hour".into(),
                package: NASTY.into(),
                price: "KSh 20".into(),
                phone: "07xx xxx 678".into(),
            }),
            cards: (0..6).map(|at| card(at == 1)).collect(),
            pay: true,
            phone: NASTY.into(),
            phone_error: Some("Please check the number.".into()),
            code: NASTY.into(),
            code_error: Some("Please check the code.".into()),
        }
    }

    fn order() -> OrderPage {
        OrderPage {
            site: site(),
            stage: "go_online",
            state_url: "/o/x/state".into(),
            refresh: Some(4),
            busy: true,
            tone: "info",
            headline: "Look at your phone".into(),
            detail: "Enter your M-Pesa PIN.".into(),
            notice: Some(NASTY.into()),
            package: NASTY.into(),
            price: "KSh 20".into(),
            code: "AB12CD34".into(),
            login: Some(login()),
            again: Some("/o/x/again".into()),
            packages: Some("/packages?visit=v".into()),
            packages_label: "Choose another package",
            onward: Some(Onward { href: "http://example.com/".into(), host: "example.com".into() }),
            devices: vec![DeviceLine { mac: NASTY.into(), note: "online", removable: true }],
            devices_url: "/o/x/devices".into(),
        }
    }

    /// Every template, full of markup where outside text goes.
    #[test]
    fn every_template_renders_and_escapes() {
        let pages = [
            packages().render(),
            order().render(),
            VoucherPage { site: site(), code: NASTY.into(), login: login() }.render(),
            ProblemPage { site: site(), title: "Not here", text: "Try again.", try_again: true }.render(),
        ];
        for page in pages {
            let page = page.expect("renders");
            assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">"), "{page}");
            assert!(!page.contains("alert('x')"), "{page}");
            assert!(!page.contains("style=") && !has_handler(&page), "no inline style or handler: {page}");
            assert!(page.contains("Mlango Wi-Fi") && page.contains("0700 000 000"));
            assert!(page.contains("name=\"viewport\""));
        }
    }

    /// Whether a tag has an attribute such as `onclick=`.
    fn has_handler(page: &str) -> bool {
        page.split_whitespace().any(|word| word.split_once('=').is_some_and(|(name, _)| name.starts_with("on")))
    }

    #[test]
    fn every_field_has_a_label_and_errors_are_tied_to_their_field() {
        let page = packages().render().expect("renders");
        for id in ["phone", "code"] {
            assert!(page.contains(&format!("for=\"{id}\"")), "label of {id}");
            assert!(page.contains(&format!("aria-describedby=\"{id}-error\"")), "error of {id}");
        }
        assert!(page.contains("inputmode=\"tel\""));
    }

    /// conventions.md: the first page weighs at most 40 kB raw, everything it loads included.
    #[test]
    fn the_first_page_is_light() {
        let page = packages().render().expect("renders").len();
        let file = |name| crate::views::assets::get(name).expect("embedded").content.len();
        let (css, js) = (file("portal.css"), file("portal.js"));
        assert!(css <= 10 * 1024 && js <= 3 * 1024, "css {css}, js {js}");
        assert!(page + css + js <= 40 * 1024, "page {page}, css {css}, js {js}");
    }
}
