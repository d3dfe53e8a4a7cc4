//! The steps of a script, a topic each. What RouterOS 6.49 and 7 spell differently, or one of them does not know, is told apart here and
//! nowhere else.
//!
//! The facts are from MikroTik's manual and command list. The tests hold what is written against RouterOS's own list of commands; on a
//! router of your own, try it before you rely on it.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::script::{Script, Writer, add_once, upsert};
use super::text::quote;
use super::{FILE, REST_USER, Section, Settings, Version};

/// Guests' addresses begin here, so that some are left for access points and printers.
const POOL_FROM: u32 = 10;

/// A step, as the router reports it and the desk shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The router's name.
    Identity,
    /// Its clock.
    Clock,
    /// WireGuard.
    Tunnel,
    /// RADIUS and CoA.
    Radius,
    /// The guests' network.
    Network,
    /// The hotspot.
    Hotspot,
    /// Hosts that guests reach.
    Garden,
    /// The login page.
    Pages,
    /// Option 114.
    Option114,
    /// The REST API.
    Rest,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 10] = [
        Step::Identity,
        Step::Clock,
        Step::Tunnel,
        Step::Radius,
        Step::Network,
        Step::Hotspot,
        Step::Garden,
        Step::Pages,
        Step::Option114,
        Step::Rest,
    ];

    /// Its word in a report.
    pub fn word(self) -> &'static str {
        match self {
            Step::Identity => "identity",
            Step::Clock => "clock",
            Step::Tunnel => "tunnel",
            Step::Radius => "radius",
            Step::Network => "network",
            Step::Hotspot => "hotspot",
            Step::Garden => "garden",
            Step::Pages => "pages",
            Step::Option114 => "option114",
            Step::Rest => "rest",
        }
    }

    /// What it does, in the script.
    pub(super) fn comment(self) -> &'static str {
        match self {
            Step::Identity => "The router's name",
            Step::Clock => "Time zone and servers of time",
            Step::Tunnel => "WireGuard, with a key that the router makes",
            Step::Radius => "RADIUS, and what we may tell the router (CoA)",
            Step::Network => "The guests' network",
            Step::Hotspot => "The hotspot",
            Step::Garden => "What guests reach before they have paid, in both menus",
            Step::Pages => "The login page",
            Step::Option114 => "DHCP option 114",
            Step::Rest => "A user for the REST API",
        }
    }
}

/// Writes the whole script.
pub(super) fn write(settings: &Settings) -> Script {
    let mut writer = Writer::default();
    begin(&mut writer, settings);
    writer.step(Step::Identity, &[format!("/system identity set name={}", quote(&settings.identity))]);
    let has = |section| settings.plan.has(section);
    if has(Section::Clock) {
        clock(&mut writer, settings);
    }
    tunnel(&mut writer, settings);
    radius(&mut writer, settings);
    if let Some(guests) = settings.plan.guests.filter(|_| has(Section::Network)) {
        network(&mut writer, settings, guests);
    }
    if has(Section::Hotspot) {
        hotspot(&mut writer, settings);
    }
    if has(Section::Garden) {
        garden(&mut writer, settings);
    }
    if has(Section::Pages) {
        pages(&mut writer, settings);
    }
    if let (Some(url), Some(guests), true) = (&settings.capport, settings.plan.guests, has(Section::Option114)) {
        option_114(&mut writer, url, guests);
    }
    rest(&mut writer, settings);
    report(&mut writer, settings);
    writer.finish()
}

fn begin(writer: &mut Writer, settings: &Settings) {
    let (number, dotted) = match settings.plan.version {
        Version::V7 => ("7", "7."),
        Version::V6 => ("6", "6."),
    };
    writer.line("# Sets this router up. What it sets bears the name or the comment mlango; run again, it changes that and adds nothing twice.");
    writer.line(&format!(
        ":if ([:pick [/system resource get version] 0 2] != \"{dotted}\") do={{ :error \"This script is for RouterOS {number}. Choose the router's version at the desk, and paste the line from there.\" }}"
    ));
    writer.line(":global mlangoFailed \"\"");
    if settings.plan.version == Version::V7 && settings.plan.has(Section::Hotspot) {
        let asks = writer.parsed(":return [/system device-mode get hotspot]");
        writer.line(&format!(
            ":do {{ {asks}; :if ([:tostr [$command]] ~ \"no|false\") do={{ :put \"mlango: device-mode forbids the hotspot. Run /system/device-mode/update hotspot=yes, press the reset button or cut the power within five minutes, then paste the line again.\" }} }} on-error={{}}"
        ));
    }
}

fn clock(writer: &mut Writer, settings: &Settings) {
    let zone = format!("/system clock set time-zone-autodetect=no time-zone-name={}", quote(&settings.time_zone));
    let servers = settings.ntp.join(",");
    let ntp = match settings.plan.version {
        Version::V7 => format!("/system ntp client set enabled=yes servers={servers}"),
        Version::V6 => {
            // Without its own package RouterOS 6 takes names; with it, two addresses.
            let by_name = writer.deferred(&format!("/system ntp client set enabled=yes server-dns-names={servers}"));
            let mut both = settings.ntp.iter().map(|name| format!("[:resolve {}]", quote(name)));
            let first = both.next().unwrap_or_default();
            let second = both.next().unwrap_or_else(|| first.clone());
            let by_address = format!("/system ntp client set enabled=yes primary-ntp={first} secondary-ntp={second}");
            format!(":do {{ {by_name} }} on-error={{ {} }}", writer.deferred(&by_address))
        }
    };
    writer.step(Step::Clock, &[zone, ntp]);
}

fn tunnel(writer: &mut Writer, settings: &Settings) {
    let Some(tunnel) = &settings.tunnel else { return };
    let peer = format!(
        "interface=\"mlango\" public-key={} endpoint-address={} endpoint-port={} allowed-address={} persistent-keepalive=25s",
        quote(&tunnel.public_key),
        quote(&tunnel.endpoint),
        tunnel.port,
        quote(&tunnel.network.trunc().to_string())
    );
    let address = format!("{}/{}", tunnel.address, tunnel.network.prefix_len());
    writer.step(
        Step::Tunnel,
        &[
            add_once("/interface wireguard", "name=\"mlango\"", "mtu=1420 comment=\"mlango\""),
            upsert("/interface wireguard peers", "comment=\"mlango\"", &peer),
            upsert(
                "/ip address",
                "comment=\"mlango tunnel\"",
                &format!("address={} interface=\"mlango\"", quote(&address)),
            ),
        ],
    );
}

fn radius(writer: &mut Writer, settings: &Settings) {
    let mut lines = Vec::new();
    let source = settings.tunnel.as_ref().map(|tunnel| format!(" src-address={}", tunnel.address)).unwrap_or_default();
    for (host, name) in settings.radius.iter().zip(["primary", "backup"]) {
        let (address, comment) = (address(host), format!("comment=\"mlango {name}\""));
        let entry = format!(
            "service=hotspot address={address} secret={} authentication-port={} accounting-port={} timeout=3s disabled=no{source}",
            quote(&settings.secret),
            settings.auth_port,
            settings.acct_port
        );
        lines.push(upsert("/radius", &comment, &entry));
    }
    if settings.radius.len() < 2 {
        lines.push("/radius remove [find comment=\"mlango backup\"]".to_owned());
    }
    if settings.plan.version == Version::V7 {
        // From 7.15 on.
        lines.push(
            writer.attempted("/radius set [find where comment~\"^mlango\"] require-message-auth=yes-for-request-resp"),
        );
    }
    lines.push(format!("/radius incoming set accept=yes port={}", settings.coa_port));
    for (host, name) in settings.radius.iter().zip(["primary", "backup"]) {
        let rule = format!("protocol=udp dst-port={} src-address={}", settings.coa_port, address(host));
        lines.push(let_in(&format!("comment=\"mlango coa {name}\""), &rule));
    }
    writer.step(Step::Radius, &lines);
}

/// A host as a value: an address as it is, a name looked up on the router.
fn address(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(_) => host.to_owned(),
        Err(_) => format!("[:resolve {}]", quote(host)),
    }
}

/// Lets packets into the router: before all other rules, since the last of them usually drops what is left.
fn let_in(comment: &str, rule: &str) -> String {
    let filter = "/ip firewall filter";
    let rule = format!("chain=input action=accept {rule}");
    let others = format!("[{filter} find where dynamic=no chain=\"input\"]");
    format!(
        ":if ([:len [{filter} find {comment}]] > 0) do={{ {filter} set [find {comment}] {rule} }} else={{ :if ([:len {others}] = 0) do={{ {filter} add {comment} {rule} }} else={{ {filter} add {comment} {rule} place-before=[:pick {others} 0] }} }}"
    )
}

fn network(writer: &mut Writer, settings: &Settings, guests: Ipv4Net) {
    let interface = quote(&settings.plan.interface);
    let (net, gateway) = (guests.trunc(), gateway(guests));
    let (whole, own) = (quote(&net.to_string()), quote(&format!("{gateway}/{}", net.prefix_len())));
    let pool = quote(&format!("{}-{}", first_of_pool(net), Ipv4Addr::from(u32::from(net.broadcast()) - 1)));
    let key = format!("address={whole}");
    writer.step(
        Step::Network,
        &[
            add_once("/ip address", &format!("interface={interface} address={own}"), "comment=\"mlango guests\""),
            upsert("/ip pool", "name=\"mlango\"", &format!("ranges={pool}")),
            upsert("/ip dhcp-server network", &key, &format!("gateway={gateway} dns-server={gateway}")),
            add_once(
                "/ip dhcp-server",
                &format!("interface={interface}"),
                "name=\"mlango\" address-pool=\"mlango\" lease-time=1h disabled=no",
            ),
            "/ip dns set allow-remote-requests=yes".to_owned(),
            upsert(
                "/ip firewall nat",
                "comment=\"mlango guests\"",
                &format!("chain=srcnat action=masquerade src-address={whole}"),
            ),
        ],
    );
}

/// The router's own address among its guests: the first.
pub(super) fn gateway(guests: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(guests.network()) + 1)
}

fn first_of_pool(net: Ipv4Net) -> Ipv4Addr {
    let behind = if net.prefix_len() <= 27 { POOL_FROM } else { 2 };
    Ipv4Addr::from(u32::from(net.network()) + behind)
}

fn hotspot(writer: &mut Writer, settings: &Settings) {
    let plan = &settings.plan;
    let interface = quote(&plan.interface);
    let own = plan.guests.map(|guests| format!(" hotspot-address={}", gateway(guests))).unwrap_or_default();
    let profile = format!(
        "dns-name={} html-directory=$folder login-by=mac,http-chap,http-pap use-radius=yes radius-accounting=yes radius-interim-update=received nas-port-type=wireless-802.11 radius-mac-format=\"XX:XX:XX:XX:XX:XX\" radius-location-name={}{own}",
        quote(&plan.dns_name),
        quote(&settings.identity)
    );
    writer.step(
        Step::Hotspot,
        &[
            ":local folder \"hotspot\"".to_owned(),
            ":if ([:len [/file find name=\"flash\"]] > 0) do={ :set folder \"flash/hotspot\" }".to_owned(),
            upsert("/ip hotspot profile", "name=\"mlango\"", &profile),
            // How many devices share a package is decided by radiusd.
            "/ip hotspot user profile set [find name=\"default\"] shared-users=unlimited".to_owned(),
            format!(
                ":if ([:len [/ip hotspot find interface={interface}]] = 0) do={{ /ip hotspot add name=\"mlango\" interface={interface} profile=\"mlango\" addresses-per-mac=2 disabled=no }} else={{ /ip hotspot set [find interface={interface}] profile=\"mlango\" disabled=no }}"
            ),
        ],
    );
}

/// Both menus: the first works on what a browser asks for by plain http, the second on connections, which is what https needs. An entry
/// of ours whose host is not wanted any more goes.
fn garden(writer: &mut Writer, settings: &Settings) {
    let (addresses, names): (Vec<&String>, Vec<&String>) =
        settings.garden.iter().partition(|host| host.parse::<IpAddr>().is_ok());
    let list = |hosts: &[&String]| hosts.iter().map(|host| quote(host)).collect::<Vec<_>>().join(";");
    let all: Vec<&String> = settings.garden.iter().collect();
    let mut lines = vec![format!(":local hosts {{{}}}", list(&all))];
    for (menu, field, hosts, action) in [
        ("/ip hotspot walled-garden", "dst-host", &all, "allow"),
        ("/ip hotspot walled-garden ip", "dst-host", &names, "accept"),
        ("/ip hotspot walled-garden ip", "dst-address", &addresses, "accept"),
    ] {
        for host in hosts {
            let key = format!("comment=\"mlango\" {field}={}", quote(host));
            lines.push(add_once(menu, &key, &format!("action={action}")));
        }
    }
    for menu in ["/ip hotspot walled-garden", "/ip hotspot walled-garden ip"] {
        lines.push(format!(":foreach entry in=[{menu} find comment=\"mlango\" dynamic=no] do={{"));
        lines.push(format!("  :local host [:tostr [{menu} get $entry dst-host]]"));
        lines.push(format!(
            "  :if ([:len $host] > 0 && [:typeof [:find $hosts $host]] = \"nil\") do={{ {menu} remove $entry }}"
        ));
        lines.push("}".to_owned());
    }
    writer.step(Step::Garden, &lines);
}

fn pages(writer: &mut Writer, settings: &Settings) {
    let url = quote(&format!("{}{}", settings.portal, super::serve::LOGIN_PAGE));
    let check = settings.plan.certificate_check();
    writer.step(
        Step::Pages,
        &[
            ":local folder \"hotspot\"".to_owned(),
            ":if ([:len [/file find name=\"flash\"]] > 0) do={ :set folder \"flash/hotspot\" }".to_owned(),
            format!(
                ":foreach page in={{\"login.html\";\"rlogin.html\"}} do={{ /tool fetch url={url} dst-path=($folder . \"/\" . $page) check-certificate={check} }}"
            ),
        ],
    );
}

fn option_114(writer: &mut Writer, url: &str, guests: Ipv4Net) {
    let value = format!("code=114 value={}", quote(&format!("'{url}'")));
    writer.step(
        Step::Option114,
        &[
            upsert("/ip dhcp-server option", "name=\"mlango-114\"", &value),
            format!(
                ":foreach network in=[/ip dhcp-server network find address={}] do={{",
                quote(&guests.trunc().to_string())
            ),
            "  :local options [:toarray [/ip dhcp-server network get $network dhcp-option]]".to_owned(),
            "  :if ([:typeof [:find $options \"mlango-114\"]] = \"nil\") do={ /ip dhcp-server network set $network dhcp-option=($options , \"mlango-114\") }".to_owned(),
            "}".to_owned(),
        ],
    );
}

/// Only in the tunnel, and only for our address there.
fn rest(writer: &mut Writer, settings: &Settings) {
    let (Some(password), Some(tunnel)) = (&settings.rest_password, &settings.tunnel) else { return };
    let user = format!(
        "group=\"mlango\" password={} address={} comment=\"mlango\"",
        quote(password),
        quote(&format!("{}/32", tunnel.ours))
    );
    let mut lines = vec![
        upsert("/user group", "name=\"mlango\"", "policy=read,write,rest-api"),
        upsert("/user", &format!("name={}", quote(REST_USER)), &user),
        "/ip service set [find name=\"www\" disabled=yes] disabled=no".to_owned(),
    ];
    let rule = format!("protocol=tcp dst-port=80 src-address={}", tunnel.ours);
    lines.push(let_in("comment=\"mlango rest\"", &rule));
    writer.step(Step::Rest, &lines);
}

/// Tells the portal what there is, a line each: whoever reads it takes what it knows.
fn report(writer: &mut Writer, settings: &Settings) {
    let also = |name: &str, value: &str| format!(":set body ($body . \"\\n{name}=\" . {value})");
    let attempt = |line: &str| format!("  :do {{ {line} }} on-error={{}}");
    writer.line("# Tells the portal");
    writer.line(":do {");
    writer.line("  :global mlangoFailed");
    writer.line("  :local body (\"version=\" . [/system resource get version] . \"\\nnot-done=\" . $mlangoFailed)");
    writer.line(&attempt(&also("model", "[/system resource get board-name]")));
    for (name, command) in [
        ("date", "[/system clock get date]"),
        ("time", "[/system clock get time]"),
        ("gmt-offset", "[/system clock get gmt-offset]"),
        ("fasttrack", "[:len [/ip firewall filter find action=\"fasttrack-connection\" disabled=no]]"),
    ] {
        writer.line(&attempt(&also(name, command)));
    }
    let mut asked = vec![("serial", ":return [/system routerboard get serial-number]")];
    if settings.plan.version == Version::V7 {
        asked.push(("device-mode", ":return [/system device-mode get hotspot]"));
    }
    for (name, command) in asked {
        let asks = writer.parsed(command);
        writer.line(&attempt(&format!("{asks}; {}", also(name, "[$command]"))));
    }
    if settings.tunnel.is_some() {
        let key = "[/interface wireguard get [find name=\"mlango\"] public-key]";
        writer.line(&attempt(&also("public-key", key)));
    }
    writer.line(&format!(
        "  /tool fetch url={} http-method=post http-data=$body output=none check-certificate={}",
        quote(&settings.report),
        settings.plan.certificate_check()
    ));
    writer.line("  :if ($mlangoFailed = \"\") do={ :put \"mlango: this router is set up\" } else={ :put (\"mlango: not everything was done: \" . $mlangoFailed) }");
    writer.line("} on-error={ :put \"mlango: the portal could not be told; is it reached from here? Paste the line once more\" }");
    writer.line(&format!(":do {{ /file remove [find name=\"{FILE}\"] }} on-error={{}}"));
    writer.line(":do { /system script environment remove [find name=\"mlangoFailed\"] } on-error={}");
}
