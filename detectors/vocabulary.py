"""The default word lists of the policy. Entries are separated by commas; `detectors.texts` says how they are matched."""

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
    grooming service, grooming services, grooming salon, training services, pet services, daycare services,
    kennel services, dog walking business, pet sitting business, professional sitter, professional walker,
    professional groomer, professional breeder, for hire, our rates, my rates, price list, prices from, rates from,
    book now, book online, bookings, hourly rate, per hour, per night, per walk, special offer, customers, clients,
    fully insured, licensed and insured, llc, ltd, gmbh, for sale
    """
)
"""Words of a business. A vet's bill or a discount at the pet shop is none."""

OFF_TOPIC = _entries(
    """
    crypto, cryptocurrency, bitcoin, ethereum, forex, day trading, stock trading, casino, gambling, sports betting,
    betting club, betting pool, poker night, poker club, poker group, poker league, fantasy football, fantasy league,
    book club, study group, homework group, essay writing, carpool, carpooling, car pool, ride share, rideshare, sublet,
    airbnb, apartment rental, vacation rental, real estate, dating group, speed dating, escort service, escort services,
    escorts, onlyfans, porn, adult content, nightclub, dropshipping, pyramid scheme, multi level marketing, mlm,
    payday loan, payday loans, church group, bible study, prayer group, political campaign, gaming clan, esports team,
    torrents
    """
)
"""What is not the care of pets. Words that are also pets' names (Poker) stand here with what makes them clear."""

COMPETITORS = _entries(
    """
    rover.com, wag.com, wagwalking, wagwalking.com, wag walking, care.com, petbacker, petbacker.com, pawshake,
    pawshake.com, trustedhousesitters, trusted housesitters, trustedhousesitters.com, gudog, gudog.com, holidog,
    holidog.com, madpaws, mad paws, madpaws.com.au, barkly pets, fetch pet care, meowtel, meowtel.com, dogvacay,
    dogvacay.com, petcloud, petcloud.com.au, dogbuddy, dogbuddy.com, petsitter.com, sittercity, sittercity.com,
    borrowmydoggy, borrowmydoggy.com, tailster, 11pets
    """
)
"""Competing services. Names that are also words or pets' names (Rover, Wag) stand here with their domain only."""
