### What customers read, in English. The same keys stand in every language's file, with the same values in braces.
###
### A text in braces such as { $package } is put in by the program: keep it, and put it where your language wants it.
### M-Pesa, PIN, Wi-Fi, SMS and KSh are the same in every language. Sentences are short, and say what to do next.
### How this file is written: https://projectfluent.org/fluent/guide/

## On every page

# A telephone number follows.
layout-help = Help:

## The packages: the page that opens when somebody joins the Wi-Fi

packages-welcome-back = Welcome back
# The package's name follows in bold, a colon, and what is left of it: "You still have 1 day: 488 MB of data, until 21:40."
packages-still-have = You still have
packages-or-get-more = Or get more
packages-get-online = Get online
packages-again = { $package } again
# A button. $price is such as "KSh 20".
packages-pay = Pay { $price }
# A button, for a package that costs nothing.
packages-get-free = Get it free
packages-request-goes-to = The request goes to { $phone }.
packages-another = Another number or package
packages-phone = M-Pesa phone number
# Above two choices, packages-now and packages-after, which go on with this sentence. $package is what the customer has now.
packages-present = { $package } once more is added to what you have. Anything else begins
packages-now = now: what is left of { $package } is counted in
packages-after = when { $package } has ended
packages-have-discount = I have a discount code
packages-discount = Discount code
packages-show-prices = Show prices
packages-what-happens = Your phone will ask for your M-Pesa PIN. You are online a few seconds later.
packages-nothing-on-sale = Nothing is on sale here at the moment. Please ask the staff.
packages-buy-a-voucher = Mobile payment is off at the moment. Buy a voucher from the staff and type its code here.
packages-have-one = I have a package already
# A button, for a device without a keyboard.
packages-screen = Show a code for this screen
packages-voucher = Voucher code
# A button beside the voucher's code.
packages-use = Use
packages-time-is-over = Your time is over.
packages-hours-are-used = Your hours online are used up.
packages-data-is-used = Your data is used up.
packages-no-longer-on-sale = That package is no longer on sale. Please choose another one.
# Why a package that was chosen cannot be bought; packages-on-sale-now may follow. $hours is such as "Mon–Fri 08:00–17:00".
packages-not-here = { $package } is not sold at this place.
packages-not-yet = { $package } is not on sale yet.
packages-sale-is-over = { $package } is not sold any more.
packages-other-hours = { $package } is sold at these hours only: { $hours }.
# $packages is a list of names.
packages-on-sale-now = On sale now: { $packages }.
packages-costs-now = { $package } costs { $price } now. Please look at the price again.
packages-phone-is-wrong = Please check the phone number: it should look like 0712 345 678
packages-who-pays = Please type the M-Pesa number that pays.
# Above two choices, packages-pay-by-phone and packages-pay-by-card or packages-pay-by-card-from.
packages-pay-with = Pay with
packages-pay-by-phone = M-Pesa
packages-pay-by-card = Card
# $price is the lowest that is taken by card.
packages-pay-by-card-from = Card, from { $price }
packages-too-little-for-card = { $price } is too little for a card. Please pay with M-Pesa.

## Paying for another phone, on the page of the packages

# Opens the field for the number.
another-pay = Pay for another phone
another-phone = Phone number of who gets it
another-help = You pay with the number above; the other phone gets a voucher code. This device gets nothing.
another-costs-nothing = { $package } costs nothing: whoever wants it takes it with the own phone.

## While M-Pesa fails for everybody, on the packages and on an order that waits

trouble-heading = M-Pesa has trouble just now
trouble-text = Requests to phones do not come, or fail. No money is lost: if you were charged, you are online by itself once M-Pesa tells us. Do not pay twice.
# What can be done instead, a line each.
trouble-menu = Pay from the M-Pesa menu: how is written below.
trouble-menu-after-choice = Choose a package: its page says how to pay from the M-Pesa menu.
trouble-card = Pay by card.
trouble-voucher = Buy a voucher from the staff and type its code.
trouble-later = Or try again in a few minutes.

## A package's card: short facts, not sentences

# $time is such as "2 hours" and may be spent online, within a longer time (card-within).
card-online = { $time } online
card-within = within { $time }
card-until-midnight = until midnight
card-until-sunday = until Sunday midnight
# $data is such as "500 MB".
card-down = { $data } down
card-up = { $data } up
card-up-and-down = { $up } up, { $down } down
card-unlimited = unlimited data
card-slower-after = slower after { $data }
# Follows hours of the day, such as "daily 22:00–06:00: as fast as it goes".
card-full-speed = as fast as it goes
card-devices = { $count ->
    [one] { $count } device
   *[other] { $count } devices
}
# $discounts are names that the operator gave, such as "Happy hour".
card-you-save = { $discounts }: you save { $amount }
card-code-is-idle = This price is as low without your code. Keep it for another time.

## What is left of a package. The parts are joined with commas, in this order

left-data = { $data } of data
left-up = { $data } up
left-down = { $data } down
left-online = { $time } online
left-until = until { $until }
left-not-begun = its time begins when you go online
left-no-limit = without limit

## Why a discount's code does not count

discount-unknown = We do not know this code. Please check it.
discount-not-yet = This code cannot be used yet.
discount-over = The time of this code is over.
discount-used-up = This code has been used up.
discount-other-place = This code is for another place.
discount-other-package = This code is not for this package.
# $hours is such as "Mon–Fri 08:00–17:00".
discount-other-hours = This code can be used at these hours only: { $hours }.
discount-who-pays = Please type the number that pays as well: this code depends on it.
discount-own-code = This is your own code. It is for your friends.
discount-turn-is-taken = You have an order with such a discount that waits for its payment. Please finish it first.
discount-used-by-you = You have used this code already.
discount-first-purchase = This code is for a first purchase only.
# $count is such as 10: the discount is for every tenth purchase.
discount-other-turn = This code is for one purchase in { $count }, and its turn has not come.

## Why an order cannot be made

# Whole sentences for once, twice and so many times.
placed-too-often = { $count ->
    [1] { $package } can be had once only, and you have had it.
    [2] { $package } can be had twice only, and you have had it.
   *[other] { $package } can be had { $count } times only, and you have had it.
}
placed-too-often-today = { $count ->
    [1] { $package } can be had once a day. Please come back tomorrow.
    [2] { $package } can be had twice a day. Please come back tomorrow.
   *[other] { $package } can be had { $count } times a day. Please come back tomorrow.
}
placed-discount-over = The discount “{ $discount }” is over. Please look at the price again.
placed-discount-used-up = The discount “{ $discount }” has just been used up. Please look at the price again.
placed-discount-on-another-order = The discount “{ $discount }” is on another order of yours already. Please look at the price again.
placed-discount-waits = The discount “{ $discount }” waits on another order of yours. Please look at the price again.
placed-discount-other-purchase = The discount “{ $discount }” was for another purchase of yours. Please look at the price again.

## Vouchers: printed codes

voucher-title = Voucher { $code }
# What is wrong with a code that was typed.
voucher-grammar = Please check the code: eleven letters and digits, never 0, 1, I or O.
voucher-mistyped = Please check the code: one character looks wrong.

## Where the QR code of a printed voucher leads

scanned-title = Voucher { $code }
scanned-heading = Voucher
scanned-join = Join the Wi-Fi, if you have not yet.
# “Sign in to network” is what Android says; give its words in your language.
scanned-sign-in = Tap “Sign in to network”. If nothing opens by itself, turn the Wi-Fi off and on.
# "Use" is packages-use.
scanned-use = Your code stands in its field, or type it there, and press Use.

## A login on its way to the router

going-online-title = Going online
going-online-press = Press the button if nothing happens by itself.
# A button, here and on other pages.
going-online-button = Go online

## A code for a screen without a keyboard, such as a TV. Its owner types it on a phone

screen-title = Your code
screen-heading = Your code for this screen
# Three steps. An address follows the first in bold, and a full stop. What stands in “ ” are buttons of the phone's pages.
screen-open-account = On your phone, open the Wi-Fi’s sign-in page and tap “{ packages-have-one }”, or open
screen-type-code = Tap “{ add-title }” and type this code.
screen-by-itself = This screen goes online by itself.
screen-waiting = Waiting. The code is good for { $minutes } minutes.
screen-online = This screen is online
screen-uses = It uses { $package }.
screen-over = This code is over
screen-another = Show another code

## A page that reads itself again: the button that stops it, and what the button says then

again-pause = Pause updates
again-go-on = Go on

## The page of an order, from the payment to the end of the package

order-asking = Sending the request to your phone
order-asking-detail = M-Pesa will ask { $phone } for the PIN in a moment.
order-stranded = The payment was not started
order-stranded-detail = Nothing was charged. Try again.
order-prompted = Enter your M-Pesa PIN
order-prompted-detail = Look at the phone { $phone }: it asks you to pay { $price }. This page goes on by itself.
order-unsure = We are checking with M-Pesa
order-unsure-detail = M-Pesa has not answered yet. If your phone asks for the PIN, enter it. Please do not pay a second time yet.
order-confirming = Thank you, we are checking the payment
order-confirming-detail = This takes a few seconds.
order-go-online = Paid: you can go online
order-go-online-detail = Press the button if nothing happens by itself.
order-connecting = Connecting you
order-connecting-detail = This page changes when the router says that you are online. If it does not within ten seconds, press the button, or turn the Wi-Fi off and on.
order-online = You are online
order-online-until = You are online until { $until }
# $used and $quota are such as "12.3 MB" and "500 MB". Short sentences that stand one after the other.
order-used-of = { $used } of { $quota } used.
order-used = { $used } used.
order-up-left = { $data } up left.
order-down-left = { $data } down left.
order-up-to = Up to { $speed }.
order-online-left = { $time } online left.
order-time-is-over = Your time is over
order-hours-are-used = Your hours online are used up
order-data-is-used = Your data is used up
order-ended-detail = Get more to go on.
order-refund-due = We have your money, but could not use it
order-refund-due-detail = It belongs to you. Show the staff the order { $code } to get it back.
order-paid-twice = This order was paid twice. The second { $price } belongs to you: show the staff the order { $code } to get it back.
order-refunded = Your money has gone back
# $amount is such as "KSh 20", $when such as "29 November 2026, 21:40".
order-refunded-to-card = { $amount } went back to your card on { $when }. Your bank may take some days to show it.
order-refunded-to-phone = { $amount } went back to you by M-Pesa on { $when }.
order-refunded-by-hand = { $amount } was given back to you on { $when }.
order-refunding = Your money is going back
order-refunding-detail = { $amount } is on its way back to your card.
order-refunding-to-phone = { $amount } is on its way back to you by M-Pesa.
# The customer has told the bank that the payment was not theirs.
order-disputed = Your bank has taken this payment back
order-disputed-detail = { $amount } went back to you on { $when }, so what it paid for has ended. If that was a mistake, tell your bank.
# $host is where the customer wanted to go, such as "example.com".
order-continue-to = Continue to { $host }
order-try-again = Try again: pay { $price }
order-menu = No request on your phone?
# $business is a number, $code the order's, such as "AB12CD34".
order-menu-paybill = Pay from the M-Pesa menu: Lipa na M-Pesa, Pay Bill, business number { $business }, account { $code }, { $price }. This page goes on by itself.
order-menu-till = Pay from the M-Pesa menu: Lipa na M-Pesa, Buy Goods and Services, till number { $business }, { $price }. This page goes on by itself.
order-get-more = Get more
order-choose-another = Choose another package
order-choose-another-or-number = Choose another package or number
order-start-again = Start again
order-number = Order { $code }.
# Follows a discount's name, such as "Happy hour: KSh 4 less".
order-saving = { $discount }: { $amount } less
order-receipt = Receipt
order-account = My packages and devices
order-card-opening = Opening the card page
order-card = Pay by card
order-card-detail = The card page is Stripe's: your card's number does not pass through us. This page goes on by itself once you have paid.
order-pay-by-card = Pay { $price } by card
# Who pays by card is let out of the hotspot for that long.
order-let-out = You are let out for a few minutes, so that your bank can be reached.
order-only-open-card = Only open the card page
order-may-not-load = If your bank asks for a confirmation, its page may not load here.
order-try-again-by-card = Try again: pay { $price } by card
order-pay-by-phone = Pay with M-Pesa instead
# Paid for another: $phone is whose number gets it.
order-given = Paid: { $package } for { $phone }
order-given-waits = The voucher waits until it is used.
# "Karibu tena" is what is said to guests, in English too.
order-given-in-use = The voucher is in use. Karibu tena.
order-given-withdrawn = The voucher was withdrawn. Please ask the staff.

## The voucher that was paid for another, under order-given

given-by-sms = We send this code to { $phone } by SMS. You can also give it to them yourself.
given-by-hand = Give this code to { $phone } yourself: we cannot send it. They type it on the Wi-Fi's sign-in page.
given-open = Open the voucher
given-copy = Copy code and link
# What the button says once it was pressed.
given-copied = Copied

## The devices of a package, on the pages of an order and of a customer

devices-title = Devices
devices-this = this device
devices-online = online
devices-remove = Remove
# For those who hear the page. $mac is the device's address.
devices-remove-one = Remove { $mac }
devices-what-happens = A device that is removed goes offline and gives its place to another one.
devices-too-often = Devices were changed too often today. Please try again tomorrow.

## Why a payment failed: a heading, and what to do

failure-no-funds = There is not enough money in your M-Pesa
failure-no-funds-advice = Nothing was charged. Top up, or choose a cheaper package.
failure-cancelled = The payment was cancelled
failure-cancelled-advice = Nothing was charged. You can try again.
failure-wrong-pin = The M-Pesa PIN was wrong
failure-wrong-pin-advice = Nothing was charged. Try again with the right PIN.
failure-no-answer = Your phone could not be reached
failure-no-answer-advice = Nothing was charged. Check that it is on, has network, and that the number is right, then try again.
failure-expired = The time for the PIN ran out
failure-expired-advice = Nothing was charged. You can try again.
failure-over-limit = That is above your M-Pesa limit
failure-over-limit-advice = Nothing was charged. Choose a cheaper package, or try tomorrow.
failure-line-busy = Your phone line is busy with another request
failure-line-busy-advice = Close other M-Pesa menus on your phone, wait two minutes, then try again.
failure-mpesa-failed = M-Pesa could not do it just now
failure-mpesa-failed-advice = Look at your M-Pesa messages first. If you were charged, wait here: you will be online by itself. If not, try again in a few minutes.
failure-unreachable = We cannot reach M-Pesa at the moment
failure-unreachable-advice = Nothing was charged. Try again in a minute.
failure-our-fault = M-Pesa does not work here at the moment
failure-our-fault-advice = Nothing was charged. Please tell the staff.
failure-no-news = We have no answer from M-Pesa
failure-no-news-advice = Look at your M-Pesa messages. If you were charged, stay here or come back: you will be online once M-Pesa tells us. If not, try again.
failure-declined = Your card was not accepted
failure-declined-advice = Nothing was charged. Try again with another card, or pay in another way.
failure-page-closed = The card page was closed
failure-page-closed-advice = Nothing was charged. You can try again.
failure-card-unreachable = We cannot take cards at the moment
failure-card-unreachable-advice = Nothing was charged. Try again in a minute, or pay in another way.
failure-card-our-fault = Cards do not work here at the moment
failure-card-our-fault-advice = Nothing was charged. Pay in another way, or tell the staff.
failure-card-no-news = We do not know what became of your card payment
failure-card-no-news-advice = If you were charged, stay here or come back: you will be online once we are told. If not, try again.

## What the router said, in plain words

router-password = The router did not accept that login. Try once more; if you typed a code, check it.
router-other-device = That code belongs to another device.
router-too-many-devices = Too many devices are online with this package. Take one of them off the Wi-Fi, then try again.
router-full = The hotspot is full at the moment. Try again in a few minutes.
router-time-used = Your time is used up.
router-data-used = Your data is used up.
router-cannot-reach-us = The Wi-Fi cannot reach us at the moment. What you paid is safe. Try again in a minute.
router-open-too-long = The sign-in page was open for too long. Try once more.
router-still-working = The router is still working on your last try. Wait a few seconds, then try again.
router-restarting = The hotspot is restarting. Try again in a minute.
router-broken = The router has a problem. Try again in a minute, or tell the staff.
# $sentence is the router's own; it may be in another language.
router-says = The router says: “{ $sentence }”

## Why a login was refused, from the Wi-Fi's own records, and what to do

denied-unknown-user = We do not know this name or voucher. Check it and type it again.
denied-mistyped-code = One character of the code looks wrong. Check it and type it again.
denied-bad-password = The password was not right. Open your packages and go online from there.
denied-credential-over = That sign-in is no longer good. Open your packages and go online from there.
denied-voucher-over = The last day to use this voucher is over. Ask the staff for a new one, or type another code.
denied-wrong-device = That sign-in was made for another device. Open your packages here and go online from there.
denied-too-many-devices = All devices of this package are taken. Open your packages and remove one, then go online.
denied-too-many-swaps = This package was moved to other devices too often today. Use one of its devices, or try again tomorrow.
denied-time-over = Your time is used up. Choose a package to go on.
denied-online-time-used = Your hours online are used up. Choose a package to go on.
denied-outside-hours = Your package is for other hours of the day or week. Come back then, or choose another package.
denied-data-used = Your data is used up. Choose a package to go on.
denied-revoked = This access was withdrawn. Please ask the staff.
denied-unknown-device = Welcome. Choose a package to go online.
denied-bad-request = The router sent a sign-in that could not be read. Try once more.
denied-eap = Your device asks for a kind of sign-in that this Wi-Fi has not. Remove the Wi-Fi from its list and join again without a name and password, or ask the staff.
denied-router-login = That name and password are not for the Wi-Fi. Choose a package to go online.
denied-cannot-check = We cannot check your sign-in at the moment. What you paid is safe. Try again in a minute.
denied-locked = There were too many wrong tries. Wait some minutes, then try again, or ask the staff.

## The button beside such a sentence

next-packages = See the packages
next-voucher = Type the code again
next-account = Open my packages
next-again = Try again
# A telephone number follows.
next-staff = Call the staff

## Signing in with a code by SMS

sign-in-title = Your packages
sign-in-type-number = Type the number that you paid with. We send it a code by SMS.
sign-in-phone = Phone number
sign-in-send = Send the code
sign-in-not-here = Codes by SMS are not sent here. The page of your last order has your devices; the staff can help you with the rest.
sign-in-back = Back to the packages
sign-in-code-title = Your code
sign-in-type-code = Type the code
sign-in-code-sent = We have sent six digits to { $phone }. They are good for five minutes.
sign-in-code = Code
sign-in-go-on = Go on
# A button stands behind it, sign-in-send-another.
sign-in-nothing-came = Nothing after half a minute?
sign-in-send-another = Send another code
sign-in-six-digits = The code has six digits.
sign-in-wrong-code = { $count ->
    [1] That is not the code. You have one more try.
   *[other] That is not the code. You have { $count } more tries.
}
sign-in-code-is-over = That code is over. Let us send you another one.
sign-in-signed-out = You are signed out.

## The text message with the code. Write it with plain letters and in 160 characters: each message is paid for

# The digits stand first, where phones find them.
sms-code = { $code } is your code for { $brand }. It is good for { $minutes } minutes. Give it to nobody.

## What a customer has

account-title = Your packages
account-signed-in = Signed in with { $phone }.
account-nothing = Nothing was bought with this number lately.
account-used-up = used up
account-is-online = This device is online with it.
account-go-online = Go online with this device
account-is-full = All its devices are taken. Remove one, then this device can go online with it.
# Opens a field in which the customer names a device.
account-name = Name
# For those who hear the page. $mac is the device's address.
account-name-of = Name of { $mac }
# An example of such a name.
account-name-example = My phone
account-save = Save
account-get-more = Get more
account-receipts = Receipts
# $when is such as "21:40" or "21:40 on 3 December".
account-paid-at = { $when }
account-messages = What we tell you
account-sessions = Where you are signed in
account-this-page = this page
account-last-used = last used { $when }
# Where a sign-in began. $site is a place's name, $mac a device's address.
account-place-at-site = at { $site }, on { $mac }
account-place-on-device = on { $mac }
account-place-outside = outside of our Wi-Fi
account-end = End
# For those who hear the page. $place is one of the three above.
account-end-one = End the sign-in { $place }
account-sign-out = Sign out
account-join-first = Join the Wi-Fi with the device that shall go online, and press it there.
account-package-used-up = That package is used up.
account-session-ended = That sign-in is ended.
account-messages-chosen = We will tell you what you have chosen.
account-offers = Offers
account-offers-question = May we also write to you about offers, such as lower prices? You can change your mind here at any time.
# A button.
account-offers-yes = Yes, tell me of offers
account-offers-on = We tell you of offers.
# A button.
account-offers-stop = Tell me of no more offers
account-offers-chosen = Thank you, we have written that down.

## Adding a TV, a console or a laptop to a package

# A button, and the heading of the page behind it.
add-title = Add a TV or laptop
add-its-devices = Its devices
add-no-package = You have no package now that a device could be added to.
add-get-one = Get one
add-package = Package
# The places of a package that are taken, and how many it has.
add-devices = { $taken } of { $all } devices
# An example of a device's name.
add-label-example = TV
add-shows-code = It shows a code
add-how = On the TV, console or laptop: join the Wi-Fi, open its sign-in page, and choose “{ packages-screen }”.
add-code = Code on the screen
add-by-code = Add it
add-has-no-browser = It has no browser: add it by its address
add-address = Wi-Fi address (MAC)
add-by-address = Add it by its address
add-back = Back to my packages
add-code-grammar = The code has six letters and digits, never 0, 1, I or O.
add-code-unknown = No screen shows this code now. Look at it again: a code is good for ten minutes.
add-address-grammar = An address has twelve digits from 0 to 9 and A to F, such as 4C:5E:0C:12:34:56. It is in the settings of the device's Wi-Fi, and often on its back.
add-done-by-code = The device is added. Its screen goes online within a few seconds.
add-done-by-address = The device is added. Turn its Wi-Fi off and on: it goes online without a sign-in.
add-before = The device has access with this package already.
add-elsewhere = This device has access already, with another package. If that is yours, remove the device there first.
add-full = All devices of this package are taken. Remove one, then add this one.
add-over = That package is used up. Choose another one.

## What a customer wants to be told. They go on with account-messages

notice-payment-received = my payments
notice-given = what others pay for me
notice-ends-soon = that my time ends soon
notice-data-low = that most of my data is used
notice-data-nearly-used = that my data is nearly used up
notice-ended = that my package has ended
notice-new-device = new devices on my package
notice-trouble = trouble with the network
notice-trouble-over = the end of trouble with the network
notice-address-proof = the proof of my e-mail address
notice-offer = offers

## News by e-mail, on the page of what a customer has

email-heading = News by e-mail
email-asked = We have asked { $address } whether it is yours. Open the link in that e-mail, and say yes.
email-by-sms = Receipts and news come by SMS. What cannot be sent that way goes to { $address }.
# A button; "them" are receipts and news.
email-send-by-email = Send them by e-mail
email-by-email = Receipts and news go to { $address }.
email-send-by-sms = Send them by SMS
email-remove = Remove { $address }
email-add = Add an address
email-another = Another address
email-address = E-mail address
# An example of an address.
email-example = name@example.org
email-send-there = Send receipts and news there, and not by SMS
email-send-link = Send me the link
email-is-wrong = Please check the e-mail address: it should look like amina@example.org.
email-is-yours = That address is yours already.
email-link-comes = We are sending a link to that address. Open it within a day, and say yes.
email-removed = The e-mail address is removed.
email-is-refused = News by e-mail is off. Receipts, and what is about the safety of your package, still go to { $address }.

## At the end of an e-mail: why it comes. Addresses of pages follow

email-why = You get this e-mail because you said that this address is yours. Change that here: { $account }
email-why-refuse = No more news by e-mail, with one click: { $link }
# For receipts, codes that were paid for, and what is about the safety of a package.
email-why-comes = This is a receipt, or about the safety of your package: it comes even if you want no news by e-mail.

## Where the link that ends news by e-mail leads

refuse-title = News by e-mail
refuse-question = Shall { $brand } send no more news by e-mail about the packages of { $phone }?
# A button.
refuse-stop = Yes, stop it
refuse-done = Done: there is no more news by e-mail about the packages of { $phone }. You can close this page.
refuse-by-sms = News comes by SMS, as far as you want to be told.
refuse-comes = Receipts, codes that were paid for, and what is about the safety of your package still come: they cannot be refused here.
# A link to the page on which it is turned on again.
refuse-account = Choose what you are told

## Where the link in that e-mail leads

email-proof-title = Your e-mail address
email-proof-question = Shall { $brand } write to { $address } about the packages of { $phone }?
email-proof-yes = Yes, it is my address
email-proof-if-not = If it is not, close this page: nothing more comes to you.
email-proof-thanks = Thank you. { $address } belongs to { $phone } now. You can close this page.

## A receipt, on its page and in an e-mail

receipt-title = Receipt { $code }
receipt-heading = Receipt
receipt-paid-to = Paid to
receipt-for = For
receipt-amount = Amount
receipt-saved = Saved
receipt-when = When
receipt-by = By
receipt-mpesa = M-Pesa receipt
receipt-card = Card payment
receipt-bank = Bank payment
# $amount is such as "KSh 20", $when such as "29 November 2026, 21:40".
receipt-given-back = Given back
receipt-given-back-line = { $amount }, { $when }
receipt-order = Order
receipt-back = Back
receipt-tax-number = Tax number
receipt-address = Address
receipt-phone = Phone
# The tax that is in the price, as "B, 16 %: KSh 2.76"; $letter is the tax authority's name of the tax.
receipt-tax = Tax included
receipt-tax-line = { $letter }, { $percent } %: { $amount }
# What the Kenya Revenue Authority (KRA) says of the receipt.
receipt-kra-invoice = KRA invoice
receipt-kra-credit = KRA credit note
receipt-kra-device = Control unit
receipt-kra-number = KRA receipt
receipt-kra-signature = Signature
receipt-kra-internal = Internal data
receipt-kra-when = Signed
receipt-kra-code = QR code of the page where KRA shows this receipt
receipt-kra-check = Check it at KRA
receipt-kra-waits = The signature of the tax authority comes later: open this page again.
receipt-file = As a file (PDF)

## What we do with data about people: the sentence under a field for a number, and the page that its link leads to

privacy-phone = We use your number for the payment, to let you in, and to tell you about what you bought.
# The link behind that sentence, and behind the one about a code by SMS.
privacy-link = Your data
privacy-sign-in = We use your number to send you the code, and to find what you bought.
privacy-title = Your data
# $who is a name and an address, as the operator gave them.
privacy-responsible = { $who } is responsible for your data here.
privacy-what = What we keep
privacy-what-number = Your phone number, and a name or an e-mail address if you gave one: to let you in, to find what you bought, and to tell you about it.
privacy-what-devices = The Wi-Fi addresses of your devices, and the addresses that they were given here: to let them in.
privacy-what-orders = What you bought and paid, and the receipt of the payment provider: for you, and for the books.
privacy-what-sessions = When and where you were online, and how much data you used. We do not record what you do online; only the page that you wanted to open when you joined is kept with your order.
privacy-who-else = The payment provider and whoever carries our messages learn what they need for that. Nobody else does.
privacy-offers = Offers are sent only to those who asked for them, on the page of their packages. From what you bought we estimate when you may buy again; nothing is refused to you because of that.
privacy-how-long = How long
privacy-kept-sessions = { $months ->
    [0] Devices and addresses of past sessions are kept.
   *[other] Devices and addresses of past sessions are deleted after { $months } months.
}
privacy-kept-messages = { $days ->
    [0] Messages that we sent you are kept.
   *[other] Messages that we sent you are deleted after { $days } days.
}
privacy-kept-orders = What you paid stays in our books, as the law asks for. If you are erased, it stays without your number.
privacy-rights = Your rights
privacy-rights-text = You can see what we keep about you, have it corrected, or have it erased.
# $contact is a telephone number or an address.
privacy-ask = Ask us: { $contact }
privacy-ask-staff = Ask the staff.
privacy-complain = You can also complain to the Data Protection Commissioner.
privacy-back = Back to the packages

## When there is no page: a heading, and what to do

# On the page of the router itself, where a browser does not go on by itself.
router-page-continue = Continue to the Wi-Fi
problem-not-here = This page is not here
problem-not-here-advice = The address is incomplete or old. Join the Wi-Fi again and open its sign-in page.
problem-changed = That was just changed
problem-changed-advice = Go back, look at it again, and then decide.
problem-away = One moment, please
problem-away-advice = We cannot reach our records right now. Nothing that you paid is lost. Try again in a minute.
problem-too-often = Please wait a little
problem-too-often-advice = That was tried too often. Wait some minutes, then go back and try again.
problem-refused = That did not work
problem-broken = Something went wrong here
problem-broken-advice = It is our fault, not yours. Try again, or call us if it stays.
problem-not-registered = This hotspot is not registered yet
# "portal nas add" and "--hotspot-host" are typed by the operator: keep them.
problem-not-registered-advice = If you are a guest, please tell the staff. If you run this hotspot, register its login address: portal nas add, with the host of the router's login page as --hotspot-host.
problem-join-first = Join the Wi-Fi first
# “Sign in to network” is what Android says; give its words in your language.
problem-join-first-advice = This page opens by itself when you join the Wi-Fi. If it does not, turn the Wi-Fi off and on again, and tap “Sign in to network”.
# The following stand under problem-refused.
problem-open-too-long = This page was open for too long. Join the Wi-Fi again and open its sign-in page.
problem-code-open-too-long = This page was open for too long. Open your packages again.
problem-foreign-form = This form was sent by another website. Open the Wi-Fi's sign-in page and use it there.
problem-pay-is-off = Mobile payment is off at the moment. Please ask the staff for a voucher.
problem-had-too-often = You have had this package as often as one person may. Please choose another one.
problem-discount-used-up = The discount of this order is used up. Please choose a package again.
problem-signed-out = You were signed out. Open your packages again, and sign in.
problem-codes-are-off = Codes cannot be sent here at the moment. Please ask the staff.
problem-email-is-off = E-mail is not sent here at the moment. Please ask the staff.
problem-link-is-old = This link is old. Ask for another one on the page with your packages.
problem-number-blocked = This number cannot be used here at the moment. Please ask the staff.

## Spans of time, moments and hours

span-seconds = { $count ->
    [one] { $count } second
   *[other] { $count } seconds
}
span-minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
}
span-hours = { $count ->
    [one] { $count } hour
   *[other] { $count } hours
}
span-days = { $count ->
    [one] { $count } day
   *[other] { $count } days
}
span-hours-and-minutes = { $hours } h { $minutes } min
# $days is span-days.
span-days-and-hours = { $days } { $hours } h
# Another day than today. $time is such as "21:40", $month is time-month.
time-on-day = { $time } on { $day } { $month }
time-stamp = { $day } { $month } { $year }, { $time }
time-month = { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
}
# A day of the week among hours, such as "Mon–Fri 08:00–17:00".
hours-day = { $day ->
    [1] Mon
    [2] Tue
    [3] Wed
    [4] Thu
    [5] Fri
    [6] Sat
   *[7] Sun
}
hours-daily = daily
