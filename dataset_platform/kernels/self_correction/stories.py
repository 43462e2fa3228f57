"""The wording of the generated arithmetic: small stories whose every sentence stands for one operation.

A sentence is a pattern with slots: ``{name}`` and ``{things}`` (words), ``{n}`` and ``{m}`` (whole numbers), ``{f}`` (a
fraction in words) and ``{p}`` (a per cent). The same patterns write the questions and read them back, so no two of a
story may match the same sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

# fmt: off
NAMES = (
    "Ada", "Amir", "Anouk", "Bela", "Bram", "Carla", "Chidi", "Dana", "Deniz", "Elif", "Emil", "Fatou", "Femi",
    "Goran", "Greta", "Hana", "Hugo", "Ines", "Ivan", "Jamila", "Jonas", "Kai", "Keiko", "Lena", "Luca", "Maya",
    "Milan", "Nadia", "Nils", "Noor", "Olga", "Omar", "Paula", "Pavel", "Quinn", "Rosa", "Ruben", "Samir", "Selma",
    "Tariq", "Tessa", "Umar", "Vera", "Viktor", "Wanda", "Yara", "Yusuf", "Zoe",
)
# fmt: on

FRACTIONS = {"half": 2, "a third": 3, "a quarter": 4, "a fifth": 5}


@dataclass(frozen=True, slots=True)
class Story:
    """The sentences of one setting, by the operation each stands for.

    Attributes:
        things: what is counted, in the plural; one is drawn per problem.
        openings: ``start`` (n) and ``rows`` (n times m).
        moves: ``add`` (n), ``add_groups`` (n groups of m), ``take``, ``take_groups``, ``times`` (n times as many),
            ``fraction`` (a fraction goes away) and ``percent`` (p per cent more).
        closings: ``total`` (asks for what is there), ``share`` (divides by n) and ``price`` (multiplies by n).
    """

    things: tuple[str, ...]
    openings: dict[str, str]
    moves: dict[str, str]
    closings: dict[str, str]


STORIES = (
    Story(
        ("notebooks", "candles", "lanterns"),
        {
            "start": "{name} opens a corner shop with {n} {things} in stock.",
            "rows": "{name} opens a corner shop with {n} shelves that hold {m} {things} each.",
        },
        {
            "add": "A van delivers {n} more {things}.",
            "add_groups": "A supplier sends {n} cartons with {m} {things} in every carton.",
            "take": "By closing time {n} {things} are sold.",
            "take_groups": "During a sale {n} customers buy {m} {things} each.",
            "times": "For the holidays the shop raises its stock to {n} times what it was.",
            "fraction": "A school orders {f} of the {things} that are there.",
            "percent": "After a good month the stock grows by {p} percent.",
        },
        {
            "total": "How many {things} does the shop have now?",
            "share": "If the {things} are packed into parcels of {n}, how many parcels are there?",
            "price": "If every one of the {things} is sold for {n} dollars, how many dollars come in?",
        },
    ),
    Story(
        ("passengers", "riders", "travellers"),
        {
            "start": "{name} drives a long tram that leaves the depot square with {n} {things} aboard.",
            "rows": "{name} drives a long tram that leaves the depot square with {n} cars and {m} {things} in each.",
        },
        {
            "add": "At the market stop {n} {things} get on.",
            "add_groups": "At the museum {n} groups of {m} {things} climb in.",
            "take": "At the bridge {n} {things} get off.",
            "take_groups": "At the stadium {n} families of {m} {things} leave the tram.",
            "times": "After the concert there are {n} times as many {things} as before.",
            "fraction": "At the station {f} of the {things} step out.",
            "percent": "At the harbour the number of {things} rises by {p} percent.",
        },
        {
            "total": "How many {things} reach the last stop?",
            "share": "If the {things} continue in taxis that take {n} each, how many taxis are needed?",
            "price": "If each of the {things} pays {n} dollars, how many dollars are collected?",
        },
    ),
    Story(
        ("tulips", "tomato plants", "lettuces"),
        {
            "start": "{name} plants {n} {things} in a garden by the river.",
            "rows": "{name} plants {n} beds of {m} {things} in a garden by the river.",
        },
        {
            "add": "A neighbour brings {n} {things} as a present.",
            "add_groups": "In the second week {n} more beds with {m} {things} each are added.",
            "take": "Snails eat {n} of the {things}.",
            "take_groups": "A storm ruins {n} beds of {m} {things} each.",
            "times": "By the next spring the garden holds {n} times as many {things}.",
            "fraction": "In the autumn {f} of the {things} are given to friends.",
            "percent": "A new strip of land lets the number of {things} go up by {p} percent.",
        },
        {
            "total": "How many {things} grow in the garden at the end?",
            "share": "If the {things} are set out again in {n} equal rows, how many are in one row?",
            "price": "If each of the {things} needs {n} cups of water, how many cups of water are needed?",
        },
    ),
    Story(
        ("novels", "atlases", "comics"),
        {
            "start": "{name} looks after a village library that owns {n} {things}.",
            "rows": "{name} looks after a village library that owns {n} bookcases of {m} {things}.",
        },
        {
            "add": "A retired teacher donates {n} {things}.",
            "add_groups": "The council pays for {n} sets of {m} {things}.",
            "take": "Damp spoils {n} {things}, which are thrown out.",
            "take_groups": "As a loan {n} schools receive {m} {things} each.",
            "times": "A merger leaves the library with {n} times its former number of {things}.",
            "fraction": "A second branch takes over {f} of the {things}.",
            "percent": "A reading campaign makes the collection {p} percent larger.",
        },
        {
            "total": "How many {things} are in the library afterwards?",
            "share": "If {n} volunteers label equal numbers of the {things}, how many does each volunteer label?",
            "price": "If a new cover costs {n} dollars for each of the {things}, how many dollars do all covers cost?",
        },
    ),
    Story(
        ("eggs", "rolls", "pancakes"),
        {
            "start": "{name} starts the day at the bakery with {n} {things}.",
            "rows": "{name} starts the day at the bakery with {n} trays of {m} {things}.",
        },
        {
            "add": "Before eight o'clock {n} {things} are added.",
            "add_groups": "The night shift leaves {n} baskets holding {m} {things} apiece.",
            "take": "The cafe next door picks up {n} {things}.",
            "take_groups": "For breakfast {n} guests have {m} {things} each.",
            "times": "Before the fair the bakery makes sure to have {n} times as many {things}.",
            "fraction": "A hotel collects {f} of all {things}.",
            "percent": "An extra hour of work raises the number of {things} by {p} percent.",
        },
        {
            "total": "How many {things} remain in the bakery?",
            "share": "If the {things} are put into bags of {n}, how many bags are filled?",
            "price": "If each of the {things} brings {n} cents, how many cents does the bakery earn?",
        },
    ),
    Story(
        ("sheep", "goats", "hens"),
        {
            "start": "{name} keeps {n} {things} on a farm in the hills.",
            "rows": "{name} keeps {n} pens of {m} {things} on a farm in the hills.",
        },
        {
            "add": "At an auction {n} more {things} are bought.",
            "add_groups": "From each of {n} nearby farms come {m} {things}.",
            "take": "Early in the year {n} {things} are sold to a cousin.",
            "take_groups": "On market day {n} traders leave with {m} {things} each.",
            "times": "After some years the farm has {n} times that many {things}.",
            "fraction": "For the summer {f} of the {things} move to another farm.",
            "percent": "A mild winter increases the herd by {p} percent.",
        },
        {
            "total": "How many {things} live on the farm in the end?",
            "share": "If the {things} are spread evenly over {n} meadows, how many stand on each meadow?",
            "price": "If each of the {things} eats {n} kilograms of feed, how many kilograms of feed are eaten?",
        },
    ),
    Story(
        ("stickers", "marbles", "stamps"),
        {
            "start": "{name} collects {things} and owns {n} of them.",
            "rows": "{name} collects {things} and owns {n} albums with {m} of them in each.",
        },
        {
            "add": "An aunt sends {n} {things} in a letter.",
            "add_groups": "With pocket money come {n} packets of {m} {things}.",
            "take": "On the way home {n} {things} get lost.",
            "take_groups": "In a swap {n} classmates are given {m} {things} each.",
            "times": "Over the summer the collection becomes {n} times as big.",
            "fraction": "A little brother is handed {f} of the {things}.",
            "percent": "A lucky find makes the collection grow by {p} percent.",
        },
        {
            "total": "How many {things} are in the collection now?",
            "share": "If {n} pages hold equally many of the {things}, how many are on one page?",
            "price": "If each of the {things} is worth {n} points, how many points is the collection worth?",
        },
    ),
    Story(
        ("litres of rain water", "litres of apple juice", "litres of paint"),
        {
            "start": "{name} measures {n} {things} in a large tank.",
            "rows": "{name} pours {n} barrels of {m} {things} into a large tank.",
        },
        {
            "add": "Overnight {n} {things} flow in.",
            "add_groups": "For {n} hours a pipe supplies {m} {things} per hour.",
            "take": "A leak loses {n} {things}.",
            "take_groups": "To fill {n} buckets, {m} {things} per bucket are drawn off.",
            "times": "By the end of the week the tank holds {n} times as much.",
            "fraction": "A pump takes away {f} of the {things}.",
            "percent": "A last delivery raises the level by {p} percent.",
        },
        {
            "total": "How many {things} are in the tank now?",
            "share": "If the tank is emptied into cans of {n} litres, how many cans are full?",
            "price": "If one litre costs {n} cents, how many cents is the content of the tank worth?",
        },
    ),
    Story(
        ("kilometres", "miles"),
        {
            "start": "{name} trains for a bicycle tour and rides {n} {things} in the first month.",
            "rows": "{name} trains for a bicycle tour and rides {m} {things} on each of {n} days.",
        },
        {
            "add": "A weekend trip adds {n} {things}.",
            "add_groups": "Then follow {n} rounds of {m} {things}.",
            "take": "A faulty meter counted {n} {things} too many, and these are struck off.",
            "take_groups": "Because of rain {n} rides of {m} {things} do not count.",
            "times": "With the whole club the distance comes to {n} times that.",
            "fraction": "It turns out that {f} of the {things} were on a closed road and are not counted.",
            "percent": "A detour makes the distance {p} percent longer.",
        },
        {
            "total": "How many {things} are in the log book?",
            "share": "If the distance is split evenly over {n} stages, how many {things} long is a stage?",
            "price": "If a sponsor gives {n} dollars for each of the {things}, how many dollars does the sponsor give?",
        },
    ),
    Story(
        ("bricks", "tiles", "boards"),
        {
            "start": "{name} orders {n} {things} to rebuild a barn.",
            "rows": "{name} orders {n} pallets of {m} {things} to rebuild a barn.",
        },
        {
            "add": "In the old cellar {n} {things} turn up.",
            "add_groups": "Two days later {n} trucks unload {m} {things} each.",
            "take": "Careless handling breaks {n} {things}.",
            "take_groups": "The masons finish {n} walls and use {m} {things} for each.",
            "times": "The plans change, and the builders need {n} times as many {things}, which they get.",
            "fraction": "A neighbouring site borrows {f} of the {things}.",
            "percent": "To be safe the builders add {p} percent to what is there.",
        },
        {
            "total": "How many {things} lie at the site now?",
            "share": "If the {things} are stacked in piles of {n}, how many piles are there?",
            "price": "If each of the {things} weighs {n} kilograms, how many kilograms do they weigh together?",
        },
    ),
    Story(
        ("tickets", "programmes", "badges"),
        {
            "start": "{name} prints {n} {things} for a music festival.",
            "rows": "{name} prints {n} sheets with {m} {things} on each for a music festival.",
        },
        {
            "add": "Because of the demand {n} extra {things} are made.",
            "add_groups": "Then {n} sponsors pay for {m} {things} each.",
            "take": "The crew keeps {n} {things} for itself.",
            "take_groups": "At the gate {n} helpers hand out {m} {things} each.",
            "times": "A second stage means {n} times as many {things} as planned so far.",
            "fraction": "The city hall receives {f} of the {things}.",
            "percent": "The printer makes {p} percent more than there were.",
        },
        {
            "total": "How many {things} does the festival office have left?",
            "share": "If the {things} are sorted into bundles of {n}, how many bundles are there?",
            "price": "If {n} dollars are paid for each of the {things}, how many dollars is that?",
        },
    ),
    Story(
        ("coins", "dollars", "tokens"),
        {
            "start": "{name} counts {n} {things} in the savings jar.",
            "rows": "{name} counts {n} stacks of {m} {things} in the savings jar.",
        },
        {
            "add": "A birthday brings {n} {things} more.",
            "add_groups": "For {n} weeks, {m} {things} a week go into the jar.",
            "take": "A new kite costs {n} {things}.",
            "take_groups": "The jar pays for {n} bus rides at {m} {things} per ride.",
            "times": "A kind grandmother tops the jar up to {n} times its content.",
            "fraction": "A charity is given {f} of the {things}.",
            "percent": "As a reward the content of the jar grows by {p} percent.",
        },
        {
            "total": "How many {things} are in the jar at last?",
            "share": "If {n} children share the {things} equally, how many does each child get?",
            "price": "If each of the {things} can be exchanged for {n} sweets, how many sweets is the jar worth?",
        },
    ),
)
