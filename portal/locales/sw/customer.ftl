### Wanachosoma wateja, kwa Kiswahili. Funguo ni zilezile za faili la Kiingereza, pamoja na vilivyo ndani ya mabano.
###
### Names of packages and discounts are the operator's; sentences treat them as nouns of the i-/zi- class ("inaisha"), as the
### text messages do. "Kifurushi" is a package, "kifaa" a device, "namba ya vocha" a voucher's code, "namba ya punguzo" a
### discount's, "namba ya kuthibitisha" the one that comes by SMS, "mhudumu" the staff, "oda" an order: the same words everywhere.

## On every page

layout-help = Msaada:

## The packages: the page that opens when somebody joins the Wi-Fi

packages-welcome-back = Karibu tena
packages-still-have = Bado una
packages-or-get-more = Au ongeza
packages-get-online = Ingia mtandaoni
packages-again = { $package } tena
packages-pay = Lipa { $price }
packages-get-free = Pata bure
packages-request-goes-to = Ombi litatumwa kwa { $phone }.
packages-another = Namba nyingine au kifurushi kingine
packages-phone = Namba ya simu ya M-Pesa
packages-present = Ukinunua { $package } tena, itaongezwa kwenye uliyo nayo. Kifurushi kingine kitaanza
packages-now = sasa: kilichobaki kwenye { $package } kitahesabiwa
packages-after = baada ya { $package } kuisha
packages-have-discount = Nina namba ya punguzo
packages-discount = Namba ya punguzo
packages-show-prices = Onyesha bei
packages-what-happens = Simu yako itakuomba PIN yako ya M-Pesa. Utakuwa mtandaoni sekunde chache baadaye.
packages-nothing-on-sale = Hakuna kinachouzwa hapa kwa sasa. Tafadhali muulize mhudumu.
packages-buy-a-voucher = Malipo kwa simu hayapatikani kwa sasa. Nunua vocha kwa mhudumu, kisha andika namba yake hapa.
packages-have-one = Tayari nina kifurushi
packages-screen = Onyesha namba ya skrini hii
packages-voucher = Namba ya vocha
packages-use = Tumia
packages-time-is-over = Muda wako umekwisha.
packages-hours-are-used = Saa zako za mtandaoni zimekwisha.
packages-data-is-used = Data yako imekwisha.
packages-no-longer-on-sale = Kifurushi hicho hakiuzwi tena. Tafadhali chagua kingine.
packages-not-here = { $package } haiuzwi mahali hapa.
packages-not-yet = { $package } bado haijaanza kuuzwa.
packages-sale-is-over = { $package } haiuzwi tena.
packages-other-hours = { $package } huuzwa saa hizi tu: { $hours }.
packages-on-sale-now = Zinazouzwa sasa: { $packages }.
packages-costs-now = { $package } sasa ni { $price }. Tafadhali angalia bei tena.
packages-phone-is-wrong = Tafadhali hakiki namba ya simu: iwe kama 0712 345 678
packages-who-pays = Tafadhali andika namba ya M-Pesa itakayolipa.
packages-pay-with = Lipa kwa
packages-pay-by-phone = M-Pesa
packages-pay-by-card = Kadi
packages-pay-by-card-from = Kadi, kuanzia { $price }
packages-too-little-for-card = { $price } ni kiasi kidogo mno kwa kadi. Tafadhali lipa kwa M-Pesa.

## Paying for another phone, on the page of the packages

another-pay = Lipia simu nyingine
another-phone = Namba ya simu itakayopata kifurushi
another-help = Unalipa kwa namba iliyo hapo juu; simu nyingine itapata namba ya vocha. Kifaa hiki hakitapata chochote.
another-costs-nothing = { $package } ni bure: anayeitaka aichukue kwa simu yake mwenyewe.

## While M-Pesa fails for everybody, on the packages and on an order that waits

trouble-heading = M-Pesa ina hitilafu kwa sasa
trouble-text = Maombi hayafiki kwenye simu, au hayakamiliki. Hakuna pesa inayopotea: kama umetozwa, utaingia mtandaoni bila kufanya chochote M-Pesa ikitujulisha. Usilipe mara mbili.
trouble-menu = Lipa kwenye menyu ya M-Pesa: maelezo yako hapa chini.
trouble-menu-after-choice = Chagua kifurushi: ukurasa wake utakueleza jinsi ya kulipa kwenye menyu ya M-Pesa.
trouble-card = Lipa kwa kadi.
trouble-voucher = Nunua vocha kwa mhudumu, kisha andika namba yake.
trouble-later = Au jaribu tena baada ya dakika chache.

## A package's card: short facts, not sentences

card-online = { $time } mtandaoni
card-within = ndani ya { $time }
card-until-midnight = hadi saa sita usiku
card-until-sunday = hadi Jumapili saa sita usiku
card-down = { $data } kupakua
card-up = { $data } kupakia
card-up-and-down = { $up } kupakia, { $down } kupakua
card-unlimited = data bila kikomo
card-slower-after = kasi hupungua baada ya { $data }
card-full-speed = kasi ya juu kabisa
card-devices = { $count ->
    [one] kifaa { $count }
   *[other] vifaa { $count }
}
card-you-save = { $discounts }: unaokoa { $amount }
card-code-is-idle = Bei ni hiyo hiyo hata bila namba yako ya punguzo. Itunze kwa wakati mwingine.

## What is left of a package. The parts are joined with commas, in this order

left-data = data { $data }
left-up = { $data } za kupakia
left-down = { $data } za kupakua
left-online = { $time } mtandaoni
left-until = hadi saa { $until }
left-not-begun = muda wake utaanza ukiingia mtandaoni
left-no-limit = bila kikomo

## Why a discount's code does not count

discount-unknown = Hatuijui namba hii ya punguzo. Tafadhali ihakiki.
discount-not-yet = Namba hii bado haiwezi kutumika.
discount-over = Muda wa namba hii umekwisha.
discount-used-up = Namba hii imetumika mara zote zilizoruhusiwa.
discount-other-place = Namba hii ni ya mahali pengine.
discount-other-package = Namba hii si ya kifurushi hiki.
discount-other-hours = Namba hii hutumika saa hizi tu: { $hours }.
discount-who-pays = Tafadhali andika pia namba ya simu itakayolipa: punguzo hili hutegemea namba hiyo.
discount-own-code = Hii ni namba yako mwenyewe. Ni ya kuwapa marafiki zako.
discount-turn-is-taken = Una oda yenye punguzo kama hili inayosubiri malipo. Tafadhali ikamilishe kwanza.
discount-used-by-you = Tayari umetumia namba hii.
discount-first-purchase = Namba hii ni ya ununuzi wa kwanza tu.
discount-other-turn = Namba hii ni ya ununuzi mmoja kati ya { $count }, na zamu yake haijafika.

## Why an order cannot be made

placed-too-often = { $count ->
    [1] { $package } hupatikana mara moja tu, na tayari umeipata.
    [2] { $package } hupatikana mara mbili tu, na tayari umeipata.
   *[other] { $package } hupatikana mara { $count } tu, na tayari umeipata.
}
placed-too-often-today = { $count ->
    [1] { $package } hupatikana mara moja kwa siku. Tafadhali rudi kesho.
    [2] { $package } hupatikana mara mbili kwa siku. Tafadhali rudi kesho.
   *[other] { $package } hupatikana mara { $count } kwa siku. Tafadhali rudi kesho.
}
placed-discount-over = Punguzo “{ $discount }” limekwisha. Tafadhali angalia bei tena.
placed-discount-used-up = Punguzo “{ $discount }” limemalizika sasa hivi. Tafadhali angalia bei tena.
placed-discount-on-another-order = Punguzo “{ $discount }” tayari liko kwenye oda yako nyingine. Tafadhali angalia bei tena.
placed-discount-waits = Punguzo “{ $discount }” linasubiri kwenye oda yako nyingine. Tafadhali angalia bei tena.
placed-discount-other-purchase = Punguzo “{ $discount }” lilikuwa la ununuzi wako mwingine. Tafadhali angalia bei tena.

## Vouchers: printed codes

voucher-title = Vocha { $code }
voucher-grammar = Tafadhali hakiki namba ya vocha: ina herufi na tarakimu kumi na moja, bila 0, 1, I wala O.
voucher-mistyped = Tafadhali hakiki namba ya vocha: herufi moja inaonekana si sahihi.

## Where the QR code of a printed voucher leads

scanned-title = Vocha { $code }
scanned-heading = Vocha
scanned-join = Jiunge na Wi-Fi, kama bado hujajiunga.
# Many phones in Kenya speak English: both of Android's wordings are given.
scanned-sign-in = Gusa “Ingia kwenye mtandao” (“Sign in to network”). Ukurasa usipofunguka wenyewe, zima Wi-Fi kisha uiwashe.
scanned-use = Namba yako itakuwa tayari kwenye nafasi yake, au iandike hapo, kisha bonyeza Tumia.

## A login on its way to the router

going-online-title = Unaingia mtandaoni
going-online-press = Bonyeza kitufe kama hakuna kinachotokea.
going-online-button = Ingia mtandaoni

## A code for a screen without a keyboard, such as a TV. Its owner types it on a phone

screen-title = Namba ya skrini
screen-heading = Namba ya skrini hii
screen-open-account = Kwenye simu yako, fungua ukurasa wa kuingia wa Wi-Fi na uguse “{ packages-have-one }”, au fungua
screen-type-code = Gusa “{ add-title }”, kisha andika namba hii.
screen-by-itself = Skrini hii itaingia mtandaoni yenyewe.
screen-waiting = Inasubiri. Namba itatumika kwa dakika { $minutes }.
screen-online = Skrini hii iko mtandaoni
screen-uses = Inatumia { $package }.
screen-over = Muda wa namba hii umekwisha
screen-another = Onyesha namba nyingine

## A page that reads itself again: the button that stops it, and what the button says then

again-pause = Simamisha kwa muda
again-go-on = Endelea

## The page of an order, from the payment to the end of the package

order-asking = Tunatuma ombi kwa simu yako
order-asking-detail = Punde M-Pesa itaomba PIN kwenye { $phone }.
order-stranded = Malipo hayakuanzishwa
order-stranded-detail = Hujatozwa chochote. Jaribu tena.
order-prompted = Weka PIN yako ya M-Pesa
order-prompted-detail = Angalia simu { $phone }: inakuomba ulipe { $price }. Ukurasa huu utaendelea wenyewe.
order-unsure = Tunahakiki na M-Pesa
order-unsure-detail = M-Pesa haijajibu bado. Simu yako ikiomba PIN, iweke. Tafadhali usilipe mara ya pili kwa sasa.
order-confirming = Asante, tunahakiki malipo
order-confirming-detail = Itachukua sekunde chache.
order-go-online = Umelipa: unaweza kuingia mtandaoni
order-go-online-detail = Bonyeza kitufe kama hakuna kinachotokea.
order-connecting = Tunakuunganisha
order-connecting-detail = Ukurasa huu utabadilika ruta ikisema uko mtandaoni. Usipobadilika ndani ya sekunde kumi, bonyeza kitufe, au zima Wi-Fi kisha uiwashe.
order-online = Uko mtandaoni
order-online-until = Uko mtandaoni hadi saa { $until }
order-used-of = Umetumia { $used } kati ya { $quota }.
order-used = Umetumia { $used }.
order-up-left = Zimebaki { $data } za kupakia.
order-down-left = Zimebaki { $data } za kupakua.
order-up-to = Kasi ni hadi { $speed }.
order-online-left = Umebakiwa na { $time } mtandaoni.
order-time-is-over = Muda wako umekwisha
order-hours-are-used = Saa zako za mtandaoni zimekwisha
order-data-is-used = Data yako imekwisha
order-ended-detail = Ongeza ili uendelee.
order-refund-due = Tumepokea pesa zako, lakini hazikuweza kutumika
order-refund-due-detail = Pesa ni zako. Mwonyeshe mhudumu oda { $code } ili urudishiwe.
order-paid-twice = Oda hii ililipwa mara mbili. { $price } ya pili ni yako: mwonyeshe mhudumu oda { $code } ili urudishiwe.
order-refunded = Pesa zako zimerudishwa
order-refunded-to-card = { $amount } ilirudishwa kwenye kadi yako tarehe { $when }. Benki yako inaweza kuchukua siku kadhaa kuionyesha.
order-refunded-to-phone = { $amount } ilirudishwa kwako kwa M-Pesa tarehe { $when }.
order-refunded-by-hand = { $amount } ilirudishwa kwako tarehe { $when }.
order-refunding = Pesa zako zinarudishwa
order-refunding-detail = { $amount } iko njiani kurudi kwenye kadi yako.
order-refunding-to-phone = { $amount } iko njiani kurudi kwako kwa M-Pesa.
order-disputed = Benki yako imerudisha malipo haya
order-disputed-detail = { $amount } ilirudi kwako tarehe { $when }, kwa hiyo ulichonunua kimesitishwa. Kama ni kosa, iambie benki yako.
order-continue-to = Endelea kwenye { $host }
order-try-again = Jaribu tena: lipa { $price }
order-menu = Simu yako haijaulizwa PIN?
# $business is a number, $code the order's, such as "AB12CD34".
order-menu-paybill = Lipa kwenye menyu ya M-Pesa: Lipa na M-Pesa, Pay Bill, namba ya biashara { $business }, akaunti { $code }, { $price }. Ukurasa huu utaendelea wenyewe.
order-menu-till = Lipa kwenye menyu ya M-Pesa: Lipa na M-Pesa, Buy Goods and Services, namba ya till { $business }, { $price }. Ukurasa huu utaendelea wenyewe.
order-get-more = Ongeza
order-choose-another = Chagua kifurushi kingine
order-choose-another-or-number = Chagua kifurushi kingine au namba nyingine
order-start-again = Anza tena
order-number = Oda { $code }.
order-saving = { $discount }: punguzo la { $amount }
order-receipt = Risiti
order-account = Vifurushi na vifaa vyangu
order-card-opening = Tunafungua ukurasa wa kadi
order-card = Lipa kwa kadi
order-card-detail = Ukurasa wa kadi ni wa Stripe: namba ya kadi yako haipiti kwetu. Ukurasa huu utaendelea wenyewe ukishalipa.
order-pay-by-card = Lipa { $price } kwa kadi
order-let-out = Utafunguliwa mtandao kwa dakika chache, ili benki yako ipatikane.
order-only-open-card = Fungua ukurasa wa kadi tu
order-may-not-load = Benki yako ikiomba uthibitisho, huenda ukurasa wake usifunguke hapa.
order-try-again-by-card = Jaribu tena: lipa { $price } kwa kadi
order-pay-by-phone = Badala yake lipa kwa M-Pesa
order-given = Umelipa: { $package } kwa ajili ya { $phone }
order-given-waits = Vocha inasubiri hadi itumike.
order-given-in-use = Vocha inatumika. Karibu tena.
order-given-withdrawn = Vocha ilibatilishwa. Tafadhali muulize mhudumu.

## The voucher that was paid for another, under order-given

given-by-sms = Tunatuma namba hii kwa { $phone } kwa SMS. Unaweza pia kumpa wewe mwenyewe.
given-by-hand = Mpe mwenye { $phone } namba hii wewe mwenyewe: hatuwezi kuituma. Ataiandika kwenye ukurasa wa kuingia wa Wi-Fi.
given-open = Fungua vocha
given-copy = Nakili namba na kiungo
given-copied = Imenakiliwa

## The devices of a package, on the pages of an order and of a customer

devices-title = Vifaa
devices-this = kifaa hiki
devices-online = mtandaoni
devices-remove = Ondoa
devices-remove-one = Ondoa { $mac }
devices-what-happens = Kifaa kikiondolewa hutoka mtandaoni na kukiachia kingine nafasi.
devices-too-often = Vifaa vimebadilishwa mara nyingi mno leo. Tafadhali jaribu tena kesho.

## Why a payment failed: a heading, and what to do

failure-no-funds = Huna pesa za kutosha kwenye M-Pesa
failure-no-funds-advice = Hujatozwa chochote. Ongeza pesa, au chagua kifurushi cha bei nafuu.
failure-cancelled = Malipo yalighairiwa
failure-cancelled-advice = Hujatozwa chochote. Unaweza kujaribu tena.
failure-wrong-pin = PIN ya M-Pesa haikuwa sahihi
failure-wrong-pin-advice = Hujatozwa chochote. Jaribu tena kwa PIN sahihi.
failure-no-answer = Simu yako haikupatikana
failure-no-answer-advice = Hujatozwa chochote. Hakikisha imewashwa, ina mtandao, na namba ni sahihi, kisha jaribu tena.
failure-expired = Muda wa kuweka PIN uliisha
failure-expired-advice = Hujatozwa chochote. Unaweza kujaribu tena.
failure-over-limit = Kiasi hicho kinazidi kikomo chako cha M-Pesa
failure-over-limit-advice = Hujatozwa chochote. Chagua kifurushi cha bei nafuu, au jaribu kesho.
failure-line-busy = Laini yako inashughulikia ombi jingine
failure-line-busy-advice = Funga menyu nyingine za M-Pesa kwenye simu yako, subiri dakika mbili, kisha jaribu tena.
failure-mpesa-failed = M-Pesa haikuweza kukamilisha kwa sasa
failure-mpesa-failed-advice = Angalia kwanza jumbe zako za M-Pesa. Kama umetozwa, subiri hapa: utaingia mtandaoni bila kufanya chochote. Kama hujatozwa, jaribu tena baada ya dakika chache.
failure-unreachable = Hatuwezi kuifikia M-Pesa kwa sasa
failure-unreachable-advice = Hujatozwa chochote. Jaribu tena baada ya dakika moja.
failure-our-fault = M-Pesa haifanyi kazi hapa kwa sasa
failure-our-fault-advice = Hujatozwa chochote. Tafadhali mweleze mhudumu.
failure-no-news = Hatujapata jibu kutoka M-Pesa
failure-no-news-advice = Angalia jumbe zako za M-Pesa. Kama umetozwa, subiri hapa au urudi baadaye: utaingia mtandaoni M-Pesa ikitujulisha. Kama hujatozwa, jaribu tena.
failure-declined = Kadi yako haikukubaliwa
failure-declined-advice = Hujatozwa chochote. Jaribu tena kwa kadi nyingine, au lipa kwa njia nyingine.
failure-page-closed = Ukurasa wa kadi ulifungwa
failure-page-closed-advice = Hujatozwa chochote. Unaweza kujaribu tena.
failure-card-unreachable = Hatuwezi kupokea kadi kwa sasa
failure-card-unreachable-advice = Hujatozwa chochote. Jaribu tena baada ya dakika moja, au lipa kwa njia nyingine.
failure-card-our-fault = Kadi hazifanyi kazi hapa kwa sasa
failure-card-our-fault-advice = Hujatozwa chochote. Lipa kwa njia nyingine, au mweleze mhudumu.
failure-card-no-news = Hatujui malipo yako ya kadi yalifikia wapi
failure-card-no-news-advice = Kama umetozwa, subiri hapa au urudi baadaye: utaingia mtandaoni tukijulishwa. Kama hujatozwa, jaribu tena.

## What the router said, in plain words

router-password = Ruta haikukubali uingie. Jaribu mara moja tena; kama uliandika namba ya vocha, ihakiki.
router-other-device = Namba hiyo ni ya kifaa kingine.
router-too-many-devices = Vifaa vingi mno viko mtandaoni kwa kifurushi hiki. Ondoa kimoja kwenye Wi-Fi, kisha jaribu tena.
router-full = Hotspot imejaa kwa sasa. Jaribu tena baada ya dakika chache.
router-time-used = Muda wako umekwisha.
router-data-used = Data yako imekwisha.
router-cannot-reach-us = Wi-Fi haiwezi kutufikia kwa sasa. Ulicholipa kiko salama. Jaribu tena baada ya dakika moja.
router-open-too-long = Ukurasa wa kuingia ulikaa wazi kwa muda mrefu mno. Jaribu mara moja tena.
router-still-working = Ruta bado inashughulikia jaribio lako la awali. Subiri sekunde chache, kisha jaribu tena.
router-restarting = Hotspot inawashwa upya. Jaribu tena baada ya dakika moja.
router-broken = Ruta ina hitilafu. Jaribu tena baada ya dakika moja, au mweleze mhudumu.
router-says = Ruta inasema: “{ $sentence }”

## Why a login was refused, from the Wi-Fi's own records, and what to do

denied-unknown-user = Hatulijui jina hili wala vocha hii. Hakiki, kisha uandike tena.
denied-mistyped-code = Herufi moja ya namba hiyo inaonekana si sahihi. Hakiki, kisha uandike tena.
denied-bad-password = Neno la siri halikuwa sahihi. Fungua vifurushi vyako uingie mtandaoni kutoka hapo.
denied-credential-over = Njia hiyo ya kuingia haitumiki tena. Fungua vifurushi vyako uingie mtandaoni kutoka hapo.
denied-voucher-over = Siku ya mwisho ya kutumia vocha hii imepita. Muombe mhudumu nyingine, au andika namba nyingine.
denied-wrong-device = Njia hiyo ya kuingia ni ya kifaa kingine. Fungua vifurushi vyako hapa uingie mtandaoni kutoka hapo.
denied-too-many-devices = Nafasi zote za vifaa vya kifurushi hiki zimejaa. Fungua vifurushi vyako uondoe kimoja, kisha uingie mtandaoni.
denied-too-many-swaps = Kifurushi hiki kimehamishwa kwenye vifaa vingine mara nyingi mno leo. Tumia mojawapo ya vifaa vyake, au jaribu tena kesho.
denied-time-over = Muda wako umekwisha. Chagua kifurushi ili uendelee.
denied-online-time-used = Saa zako za mtandaoni zimekwisha. Chagua kifurushi ili uendelee.
denied-outside-hours = Kifurushi chako ni cha saa nyingine za siku au wiki. Rudi wakati huo, au chagua kifurushi kingine.
denied-data-used = Data yako imekwisha. Chagua kifurushi ili uendelee.
denied-revoked = Huduma hii imesitishwa. Tafadhali muulize mhudumu.
denied-unknown-device = Karibu. Chagua kifurushi ili uingie mtandaoni.
denied-bad-request = Ombi la kuingia kutoka kwa ruta halikusomeka. Jaribu mara moja tena.
denied-eap = Kifaa chako kinaomba njia ya kuingia isiyotolewa na Wi-Fi hii. Iondoe Wi-Fi hii kwenye orodha ya kifaa, kisha ujiunge tena bila jina wala neno la siri, au muulize mhudumu.
denied-router-login = Jina na neno la siri hilo si la Wi-Fi. Chagua kifurushi ili uingie mtandaoni.
denied-cannot-check = Hatuwezi kuhakiki kuingia kwako kwa sasa. Ulicholipa kiko salama. Jaribu tena baada ya dakika moja.
denied-locked = Umejaribu vibaya mara nyingi mno. Subiri dakika chache, kisha jaribu tena, au muulize mhudumu.

## The button beside such a sentence

next-packages = Angalia vifurushi
next-voucher = Andika namba tena
next-account = Fungua vifurushi vyangu
next-again = Jaribu tena
next-staff = Mpigie mhudumu

## Signing in with a code by SMS

sign-in-title = Vifurushi vyako
sign-in-type-number = Andika namba ya simu uliyolipia. Tutaitumia SMS yenye namba ya kuthibitisha.
sign-in-phone = Namba ya simu
sign-in-send = Nitumie SMS
sign-in-not-here = Hapa hatutumi namba za kuthibitisha kwa SMS. Vifaa vyako viko kwenye ukurasa wa oda yako ya mwisho; kwa mengine mhudumu anaweza kukusaidia.
sign-in-back = Rudi kwenye vifurushi
sign-in-code-title = Namba ya kuthibitisha
sign-in-type-code = Andika namba ya kuthibitisha
sign-in-code-sent = Tumetuma tarakimu sita kwa { $phone }. Zitatumika kwa dakika tano.
sign-in-code = Namba ya kuthibitisha
sign-in-go-on = Endelea
sign-in-nothing-came = Hujapokea SMS baada ya nusu dakika?
sign-in-send-another = Nitumie nyingine
sign-in-six-digits = Namba ya kuthibitisha ina tarakimu sita.
sign-in-wrong-code = { $count ->
    [1] Namba hiyo si sahihi. Umebakiwa na jaribio moja.
   *[other] Namba hiyo si sahihi. Umebakiwa na majaribio { $count }.
}
sign-in-code-is-over = Namba hiyo haitumiki tena. Tukutumie nyingine.
sign-in-signed-out = Umetoka kwenye akaunti yako.

## The text message with the code. Write it with plain letters and in 160 characters: each message is paid for

sms-code = { $code } ni namba yako ya kuthibitisha ya { $brand }. Itatumika kwa dakika { $minutes }. Usimpe mtu yeyote.

## What a customer has

account-title = Vifurushi vyako
account-signed-in = Umeingia kwa namba { $phone }.
account-nothing = Hakuna kilichonunuliwa kwa namba hii hivi karibuni.
account-used-up = kimekwisha
account-is-online = Kifaa hiki kiko mtandaoni kwa kifurushi hiki.
account-go-online = Ingia mtandaoni kwa kifaa hiki
account-is-full = Nafasi zote za vifaa zimejaa. Ondoa kimoja, ndipo kifaa hiki kiweze kuingia mtandaoni.
account-name = Jina
account-name-of = Jina la { $mac }
account-name-example = Simu yangu
account-save = Hifadhi
account-get-more = Ongeza
account-receipts = Risiti
account-paid-at = saa { $when }
account-messages = Tunachokujulisha
account-sessions = Ulikoingia
account-this-page = ukurasa huu
account-last-used = ilitumika mwisho saa { $when }
account-place-at-site = { $site }, kwenye { $mac }
account-place-on-device = kwenye { $mac }
account-place-outside = nje ya Wi-Fi yetu
account-end = Funga
account-end-one = Funga: { $place }
account-sign-out = Toka
account-join-first = Jiunge na Wi-Fi kwa kifaa kitakachoingia mtandaoni, kisha bonyeza hapo.
account-package-used-up = Kifurushi hicho kimekwisha.
account-session-ended = Akaunti yako imefungwa huko.
account-messages-chosen = Tutakujulisha ulichochagua.
account-offers = Ofa
account-offers-question = Je, tukuandikie pia kuhusu ofa, kama vile bei za chini? Unaweza kubadili uamuzi wako hapa wakati wowote.
account-offers-yes = Ndiyo, nijulishe ofa
account-offers-on = Unajulishwa kuhusu ofa.
account-offers-stop = Usinijulishe ofa tena
account-offers-chosen = Asante, tumeandika.

## Adding a TV, a console or a laptop to a package

add-title = Ongeza TV au laptop
add-its-devices = Vifaa vya kifurushi hiki
add-no-package = Kwa sasa huna kifurushi cha kuongezea kifaa.
add-get-one = Nunua kifurushi
add-package = Kifurushi
add-devices = vifaa { $taken } kati ya { $all }
add-label-example = TV
add-shows-code = Kinaonyesha namba
add-how = Kwenye TV, kifaa cha michezo au laptop: jiunge na Wi-Fi, fungua ukurasa wake wa kuingia, kisha chagua “{ packages-screen }”.
add-code = Namba iliyo kwenye skrini
add-by-code = Kiongeze
add-has-no-browser = Hakina kivinjari: kiongeze kwa anwani yake
add-address = Anwani ya Wi-Fi (MAC)
add-by-address = Kiongeze kwa anwani yake
add-back = Rudi kwenye vifurushi vyangu
add-code-grammar = Namba ya skrini ina herufi na tarakimu sita, bila 0, 1, I wala O.
add-code-unknown = Hakuna skrini inayoonyesha namba hii sasa. Iangalie tena: namba hutumika kwa dakika kumi.
add-address-grammar = Anwani ina tarakimu na herufi kumi na mbili, 0 hadi 9 na A hadi F, kama 4C:5E:0C:12:34:56. Iko kwenye mipangilio ya Wi-Fi ya kifaa, na mara nyingi nyuma yake.
add-done-by-code = Kifaa kimeongezwa. Skrini yake itaingia mtandaoni ndani ya sekunde chache.
add-done-by-address = Kifaa kimeongezwa. Zima Wi-Fi yake kisha uiwashe: kitaingia mtandaoni bila ukurasa wa kuingia.
add-before = Kifaa hiki tayari kinatumia kifurushi hiki.
add-elsewhere = Kifaa hiki tayari kinatumia kifurushi kingine. Kama kifurushi hicho ni chako, kiondoe kifaa huko kwanza.
add-full = Nafasi zote za vifaa za kifurushi hiki zimejaa. Ondoa kimoja, kisha ongeza hiki.
add-over = Kifurushi hicho kimekwisha. Chagua kingine.

## What a customer wants to be told. They go on with account-messages

notice-payment-received = malipo yangu
notice-given = ninacholipiwa na wengine
notice-ends-soon = muda wangu ukikaribia kuisha
notice-data-low = sehemu kubwa ya data yangu ikitumika
notice-data-nearly-used = data yangu ikikaribia kuisha
notice-ended = kifurushi changu kikiisha
notice-new-device = vifaa vipya kwenye kifurushi changu
notice-trouble = hitilafu ya mtandao
notice-trouble-over = mtandao ukirudi
notice-address-proof = uthibitisho wa anwani yangu ya barua pepe
notice-offer = ofa

## News by e-mail, on the page of what a customer has

email-heading = Habari kwa barua pepe
email-asked = Tumeiuliza { $address } kama ni anwani yako. Fungua kiungo kilicho kwenye barua pepe hiyo, kisha ukubali.
email-by-sms = Risiti na habari huja kwa SMS. Zisizoweza kutumwa hivyo huenda kwa { $address }.
email-send-by-email = Zitumwe kwa barua pepe
email-by-email = Risiti na habari huenda kwa { $address }.
email-send-by-sms = Zitumwe kwa SMS
email-remove = Ondoa { $address }
email-add = Ongeza anwani
email-another = Anwani nyingine
email-address = Anwani ya barua pepe
email-example = jina@example.org
email-send-there = Tuma risiti na habari huko, si kwa SMS
email-send-link = Nitumie kiungo
email-is-wrong = Tafadhali hakiki anwani ya barua pepe: iwe kama amina@example.org.
email-is-yours = Anwani hiyo tayari ni yako.
email-link-comes = Tunatuma kiungo kwa anwani hiyo. Kifungue ndani ya siku moja, kisha ukubali.
email-removed = Anwani ya barua pepe imeondolewa.
email-is-refused = Habari kwa barua pepe zimezimwa. Risiti, na yanayohusu usalama wa kifurushi chako, bado huenda kwa { $address }.

## At the end of an e-mail: why it comes. Addresses of pages follow

email-why = Unapata barua pepe hii kwa sababu ulikubali kuwa anwani hii ni yako. Badilisha hapa: { $account }
email-why-refuse = Usipokee habari kwa barua pepe tena, kwa kubofya mara moja: { $link }
email-why-comes = Hii ni risiti, au inahusu usalama wa kifurushi chako: huja hata kama hutaki habari kwa barua pepe.

## Where the link that ends news by e-mail leads

refuse-title = Habari kwa barua pepe
refuse-question = Je, { $brand } isitume tena habari kwa barua pepe kuhusu vifurushi vya { $phone }?
refuse-stop = Ndiyo, zisitishwe
refuse-done = Tayari: hakuna tena habari kwa barua pepe kuhusu vifurushi vya { $phone }. Unaweza kufunga ukurasa huu.
refuse-by-sms = Habari huja kwa SMS, kadiri unavyotaka kujulishwa.
refuse-comes = Risiti, namba za vocha zilizolipiwa, na yanayohusu usalama wa kifurushi chako bado zitakuja: haziwezi kukataliwa hapa.
refuse-account = Chagua unachojulishwa

## Where the link in that e-mail leads

email-proof-title = Anwani yako ya barua pepe
email-proof-question = Je, { $brand } iiandikie { $address } kuhusu vifurushi vya { $phone }?
email-proof-yes = Ndiyo, ni anwani yangu
email-proof-if-not = Kama si yako, funga ukurasa huu: hutapata kingine chochote.
email-proof-thanks = Asante. { $address } sasa ni ya { $phone }. Unaweza kufunga ukurasa huu.

## A receipt, on its page and in an e-mail

receipt-title = Risiti { $code }
receipt-heading = Risiti
receipt-paid-to = Kimelipwa kwa
receipt-for = Kifurushi
receipt-amount = Kiasi
receipt-saved = Punguzo
receipt-when = Wakati
receipt-by = Kutoka
receipt-mpesa = Risiti ya M-Pesa
receipt-card = Malipo ya kadi
receipt-bank = Malipo ya benki
receipt-given-back = Zilizorudishwa
receipt-given-back-line = { $amount }, { $when }
receipt-order = Oda
receipt-back = Rudi
receipt-tax-number = Namba ya kodi
receipt-address = Anwani
receipt-phone = Simu
receipt-tax = Kodi iliyomo
receipt-tax-line = { $letter }, { $percent } %: { $amount }
receipt-kra-invoice = Ankara ya KRA
receipt-kra-credit = Hati ya KRA ya kurudisha
receipt-kra-device = Kifaa cha KRA
receipt-kra-number = Risiti ya KRA
receipt-kra-signature = Sahihi
receipt-kra-internal = Data ya ndani
receipt-kra-when = Imesainiwa
receipt-kra-code = Msimbo wa QR wa ukurasa ambao KRA inaonyesha risiti hii
receipt-kra-check = Hakiki kwa KRA
receipt-kra-waits = Sahihi ya mamlaka ya kodi itakuja baadaye: fungua ukurasa huu tena.
receipt-file = Kama faili (PDF)

## What we do with data about people: the sentence under a field for a number, and the page that its link leads to

privacy-phone = Tunatumia namba yako kwa malipo, ili uingie mtandaoni, na kukujulisha kuhusu ulichonunua.
privacy-link = Taarifa zako
privacy-sign-in = Tunatumia namba yako kukutumia namba ya kuthibitisha, na kupata ulichonunua.
privacy-title = Taarifa zako
privacy-responsible = Anayewajibika kwa taarifa zako hapa ni { $who }.
privacy-what = Tunachohifadhi
privacy-what-number = Namba yako ya simu, na jina au barua pepe ukitupa: ili uingie mtandaoni, tupate ulichonunua, na tukujulishe.
privacy-what-devices = Anwani za Wi-Fi za vifaa vyako, na anwani vilizopewa hapa: ili viingie mtandaoni.
privacy-what-orders = Ulichonunua na ulicholipa, na risiti ya mtoa huduma ya malipo: kwa ajili yako, na kwa vitabu vya hesabu.
privacy-what-sessions = Ulikuwa mtandaoni lini na wapi, na ulitumia data kiasi gani. Haturekodi unachofanya mtandaoni; ni ukurasa uliotaka kufungua ulipojiunga tu unaohifadhiwa pamoja na oda yako.
privacy-who-else = Mtoa huduma ya malipo na anayebeba ujumbe wetu hupata wanachohitaji kwa kazi hiyo tu. Hakuna mwingine anayepata.
privacy-offers = Ofa hutumwa tu kwa walioziomba, kwenye ukurasa wa vifurushi vyao. Kutokana na ulichonunua tunakadiria ni lini unaweza kununua tena; hunyimwi chochote kwa sababu ya hilo.
privacy-how-long = Kwa muda gani
privacy-kept-sessions = { $months ->
    [0] Vifaa na anwani za nyakati ulizokuwa mtandaoni hubaki.
   *[other] Vifaa na anwani za nyakati ulizokuwa mtandaoni hufutwa baada ya miezi { $months }.
}
privacy-kept-messages = { $days ->
    [0] Ujumbe tuliokutumia hubaki.
   *[other] Ujumbe tuliokutumia hufutwa baada ya siku { $days }.
}
privacy-kept-orders = Ulicholipa hubaki kwenye vitabu vyetu, kama sheria inavyotaka. Taarifa zako zikifutwa, hubaki bila namba yako.
privacy-rights = Haki zako
privacy-rights-text = Unaweza kuona tunachohifadhi kukuhusu, kuomba kirekebishwe, au kuomba kifutwe.
privacy-ask = Tuulize: { $contact }
privacy-ask-staff = Muulize mhudumu.
privacy-complain = Unaweza pia kulalamika kwa Kamishna wa Ulinzi wa Data.
privacy-back = Rudi kwenye vifurushi

## When there is no page: a heading, and what to do

# On the page of the router itself, where a browser does not go on by itself.
router-page-continue = Endelea kwenye Wi-Fi
problem-not-here = Ukurasa huu haupo
problem-not-here-advice = Anwani haijakamilika au ni ya zamani. Jiunge na Wi-Fi tena na ufungue ukurasa wake wa kuingia.
problem-changed = Kuna kilichobadilishwa sasa hivi
problem-changed-advice = Rudi nyuma, angalia tena, kisha uamue.
problem-away = Tafadhali subiri kidogo
problem-away-advice = Hatuwezi kufikia rekodi zetu kwa sasa. Ulicholipa hakijapotea. Jaribu tena baada ya dakika moja.
problem-too-often = Tafadhali subiri dakika chache
problem-too-often-advice = Umejaribu mara nyingi mno. Subiri dakika chache, kisha rudi nyuma na ujaribu tena.
problem-refused = Haikuwezekana
problem-broken = Kuna hitilafu upande wetu
problem-broken-advice = Kosa ni letu, si lako. Jaribu tena, au utupigie simu likiendelea.
problem-not-registered = Hotspot hii bado haijasajiliwa
problem-not-registered-advice = Kama wewe ni mgeni, tafadhali mweleze mhudumu. Kama hotspot hii ni yako, sajili anwani yake ya kuingia: portal nas add, pamoja na jina la seva ya ukurasa wa kuingia wa ruta kama --hotspot-host.
problem-join-first = Jiunge na Wi-Fi kwanza
problem-join-first-advice = Ukurasa huu hufunguka wenyewe unapojiunga na Wi-Fi. Usipofunguka, zima Wi-Fi na uiwashe tena, kisha gusa “Ingia kwenye mtandao” (“Sign in to network”).
problem-open-too-long = Ukurasa huu ulikaa wazi kwa muda mrefu mno. Jiunge na Wi-Fi tena na ufungue ukurasa wake wa kuingia.
problem-code-open-too-long = Ukurasa huu ulikaa wazi kwa muda mrefu mno. Fungua vifurushi vyako tena.
problem-foreign-form = Fomu hii ilitumwa na tovuti nyingine. Fungua ukurasa wa kuingia wa Wi-Fi na uitumie hapo.
problem-pay-is-off = Malipo kwa simu hayapatikani kwa sasa. Tafadhali mwombe mhudumu vocha.
problem-had-too-often = Umepata kifurushi hiki mara zote zinazoruhusiwa kwa mtu mmoja. Tafadhali chagua kingine.
problem-discount-used-up = Punguzo la oda hii limekwisha. Tafadhali chagua kifurushi tena.
problem-signed-out = Ulitolewa kwenye akaunti yako. Fungua vifurushi vyako tena, kisha uingie.
problem-codes-are-off = Namba za kuthibitisha haziwezi kutumwa hapa kwa sasa. Tafadhali muulize mhudumu.
problem-email-is-off = Barua pepe hazitumwi hapa kwa sasa. Tafadhali muulize mhudumu.
problem-link-is-old = Kiungo hiki ni cha zamani. Omba kingine kwenye ukurasa wa vifurushi vyako.
problem-number-blocked = Namba hii haiwezi kutumika hapa kwa sasa. Tafadhali muulize mhudumu.

## Spans of time, moments and hours

span-seconds = sekunde { $count }
span-minutes = dakika { $count }
span-hours = saa { $count }
span-days = siku { $count }
span-hours-and-minutes = saa { $hours } dakika { $minutes }
span-days-and-hours = { $days } saa { $hours }
# The word "saa" stands in the sentences that name a moment, since text messages have it there too.
time-on-day = { $time } tarehe { $day } { $month }
time-stamp = { $day } { $month } { $year }, saa { $time }
time-month = { $month ->
    [1] Januari
    [2] Februari
    [3] Machi
    [4] Aprili
    [5] Mei
    [6] Juni
    [7] Julai
    [8] Agosti
    [9] Septemba
    [10] Oktoba
    [11] Novemba
   *[12] Desemba
}
hours-day = { $day ->
    [1] Jumatatu
    [2] Jumanne
    [3] Jumatano
    [4] Alhamisi
    [5] Ijumaa
    [6] Jumamosi
   *[7] Jumapili
}
hours-daily = kila siku
