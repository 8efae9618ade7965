"""The default word lists of the policy. Entries are separated by commas; `detectors.text.reading` says how they are matched."""

from __future__ import annotations


def _entries(text: str) -> tuple[str, ...]:
    return tuple(" ".join(entry.split()) for entry in text.split(",") if entry.strip())


INVITE_CODE_WORDS = _entries(
    "ALPHA, BRAVO, CHARLIE, DELTA, ECHO, FOXTROT, GOLF, HOTEL, INDIA, JULIET, KILO, LIMA, MIKE, NOVEMBER, OSCAR, PAPA, "
    "QUEBEC, ROMEO, SIERRA, TANGO, UNIFORM, VICTOR, WHISKEY, XRAY, YANKEE, ZULU"
)

COMMERCIAL = _entries(
    """
    boarding service, boarding services, sitting service, sitting services, walking service, walking services,
    grooming service, grooming services, grooming salon, training services, breeding services, stud service, stud fee,
    pet services, pet care services, dog services, cat services, sitter services, walker services, daycare services,
    kennel services, our services, our company, dog walking business, pet sitting business, dog sitting business,
    boarding business, grooming business, kennel business, pet care business, pet business, professional sitter,
    professional walker, professional groomer, professional breeder, professional trainer, professional dog walking,
    professional dog boarding, professional dog sitting, professional dog grooming, professional dog training,
    professional dog walker, professional dog sitter, professional pet sitting, professional pet care,
    professional pet boarding, professional pet grooming, professional pet services, professional pet sitter,
    professional cat sitting, professional cat sitter, professional boarding, professional grooming,
    professional sitting, professional walking, for hire, hire us, hire me, sitter available, walker available,
    groomer available, our rates, my rates, best rates, low rates, great rates, affordable rates, reasonable rates,
    competitive rates, rates start, rates starting, rates from, hourly rate, hourly rates, nightly rate, nightly rates,
    daily rates, price list, our prices, my prices, prices from, prices start, prices starting, affordable prices,
    best prices, low prices, book now, book today, book online, book your, book a walk, book a stay, bookings,
    customers, clients, licensed and insured, bonded and insured, insured and bonded, for sale
    """
)
"""Words of a business. A vet's bill, a pet's insurance or an offer at the pet shop is none."""

RATES = _entries(
    """
    per night, per hour, per half hour, per walk, per stay, hourly, nightly, /night, /hour, /hr, /walk, /stay, / night,
    / hour, / hr, / walk, / stay
    """
)
"""What a service is charged by. Beside a medicine they would say nothing: they count right after a price."""

COMPANIES = _entries("llc, pllc, ltd, limited company, gmbh")
"""Legal forms. A description may name the pet's vet or insurer; what is named like that itself is a company."""

OFF_TOPIC = _entries(
    """
    crypto, cryptocurrency, bitcoin, ethereum, nft, nfts, forex, day trading, stock trading, trading signals,
    investment club, investment group, casino, gambling, betting, sports betting, betting club, betting pool,
    sportsbook, poker night, poker club, poker group, poker league, poker games, online poker, fantasy football,
    fantasy baseball, fantasy basketball, fantasy league, book club, study group, homework group, essay writing,
    carpool, carpooling, car pool, ride share, rideshare, sublet, airbnb, apartment rental, vacation rental,
    real estate, dating group, dating site, dating app, online dating, speed dating, singles club, escort service,
    escort services, escorts, onlyfans, porn, adult content, nightclub, dropshipping, pyramid scheme,
    multi level marketing, mlm, payday loan, payday loans, church group, bible study, prayer group,
    political campaign, gaming clan, esports team, torrents
    """
)
"""What is not the care of pets. Words that are also pets' names (Poker) stand here with what makes them clear."""

COMPETITORS = _entries(
    """
    rover.com, rover app, rover clients, rover customers, rover bookings, rover pet sitting, rover dog sitting,
    rover dog walking, rover dog boarding, wag app, wag walkers, wag clients, wag.com, wagwalking, wagwalking.com,
    wag walking, care.com, petbacker, petbacker.com, pawshake, pawshake.com, trustedhousesitters,
    trusted housesitters, trustedhousesitters.com, gudog, gudog.com, holidog, holidog.com, madpaws, mad paws,
    madpaws.com.au, barkly pets, fetch pet care, meowtel, meowtel.com, dogvacay, dogvacay.com, petcloud,
    petcloud.com.au, dogbuddy, dogbuddy.com, petsitter.com, sittercity, sittercity.com, borrowmydoggy,
    borrowmydoggy.com, tailster, 11pets
    """
)
"""Competing services. Names that are also words or pets' names (Rover, Wag) stand here with what makes them clear."""
