"""Short articles in other languages than English, written for the demo: what its language stage is to recognise."""

# language: title, paragraphs
ARTICLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "de": (
        "Der Wochenmarkt am Kanal",
        (
            "Jeden Samstag um sechs Uhr morgens rollen die ersten Wagen auf den Platz neben dem alten Kanal. "
            "Die Händler grüßen sich, ohne viel zu reden, denn jeder kennt seinen Stand und weiß, wo die Kisten "
            "mit den Äpfeln, den Möhren und den späten Bohnen hingehören. Bis die Glocke der Backsteinkirche "
            "sieben schlägt, ist alles aufgebaut, und die Kaffeemaschine am Rand des Platzes zischt bereits.",
            "Frau Petersen verkauft seit einunddreißig Jahren Honig. Sie erzählt gern, dass ihre Bienen im "
            "Frühjahr zuerst die Weiden am Ufer besuchen und erst später die Linden in der Schulstraße. Wer "
            "genau hinschmeckt, könne den Unterschied merken, sagt sie, und reicht den Kindern ein Löffelchen "
            "über den Tisch. Im letzten Sommer war die Ernte klein, weil es wochenlang regnete; trotzdem hat "
            "sie die Preise nicht erhöht.",
            "Gegen Mittag wird es ruhiger. Die Stadt hatte überlegt, den Markt in eine Halle zu verlegen, doch "
            "die Anwohner wollten davon nichts wissen. Sie schätzen den Wind, der vom Wasser kommt, die "
            "Gespräche zwischen den Ständen und sogar die nassen Schuhe im November. So bleibt vorerst alles, "
            "wie es war, und am nächsten Samstag beginnt das Ganze wieder von vorn.",
        ),
    ),
    "fr": (
        "La bibliothèque du dernier étage",
        (
            "Au dernier étage de la mairie, derrière une porte que personne ne remarque, se trouve une "
            "bibliothèque de quartier qui n'ouvre que trois après-midi par semaine. On y monte par un escalier "
            "étroit, et l'on entend d'abord le parquet grincer avant d'apercevoir les rayonnages. Les livres y "
            "sont classés selon un ordre que seule la bibliothécaire, madame Lefèvre, prétend comprendre tout à "
            "fait.",
            "Elle a hérité de ce système de son prédécesseur, un ancien marin qui rangeait les romans d'après "
            "la mer où se déroulait l'histoire. Ceux qui ne parlaient pas de la mer étaient relégués près de la "
            "fenêtre, et ils y sont encore. Les lecteurs réguliers trouvent cela charmant ; les étudiants, qui "
            "cherchent un ouvrage précis la veille d'un examen, beaucoup moins. Pourtant, tous finissent par "
            "revenir, parce qu'il y fait chaud et que personne ne leur demande de se taire.",
            "L'an dernier, la commune a proposé d'installer des ordinateurs à la place des vieux fichiers en "
            "bois. Madame Lefèvre a accepté deux écrans, à condition de garder les tiroirs. Depuis, les enfants "
            "viennent y déposer de petits mots, des dessins et parfois des bonbons. Elle fait semblant de ne "
            "rien savoir, mais elle répond à chacun, d'une écriture très fine, au dos d'une fiche devenue "
            "inutile.",
        ),
    ),
    "es": (
        "El tren de la sierra",
        (
            "Durante casi un siglo, el tren de la sierra subió cada mañana desde la costa hasta el último "
            "pueblo del valle. Tardaba dos horas y media en recorrer cuarenta kilómetros, porque se detenía en "
            "todas las huertas donde alguien levantaba la mano. Los maquinistas conocían a los pasajeros por su "
            "nombre y guardaban los paquetes de quienes llegaban tarde, así que nadie se enfadaba cuando el "
            "reloj de la estación marcaba una hora imposible.",
            "La línea se cerró cuando construyeron la carretera nueva, y durante muchos años los raíles "
            "quedaron cubiertos de hierba. Fueron los vecinos quienes decidieron limpiar el primer tramo, un "
            "domingo de febrero, con herramientas prestadas y bocadillos para todos. Al principio solo "
            "pretendían hacer un camino para pasear, pero una ingeniera jubilada descubrió que los puentes "
            "seguían en buen estado y empezó a hacer cuentas.",
            "Hoy circula otra vez un vagón pequeño los fines de semana. No es rápido ni pretende serlo. Los "
            "niños saludan desde las ventanas, los mayores señalan las casas donde nacieron, y en el último "
            "pueblo han vuelto a abrir la cantina de la estación. Según la ingeniera, todavía faltan tres "
            "kilómetros por reparar, aunque ella asegura que no tiene ninguna prisa y que lo importante es que "
            "las ruedas sigan girando.",
        ),
    ),
    "it": (
        "La bottega degli orologi",
        (
            "In fondo a via dei Calzolai c'è una bottega in cui il tempo sembra andare in dieci direzioni "
            "diverse. Sulle pareti sono appesi più di duecento orologi, e quasi nessuno segna la stessa ora. Il "
            "signor Bruno, che li ripara da quando aveva sedici anni, dice che non è un difetto: ogni orologio "
            "ha bisogno di qualche giorno di libertà prima di tornare a obbedire al suo proprietario.",
            "La mattina lavora sui meccanismi più piccoli, perché la luce che entra dalla finestra è migliore e "
            "le mani sono ancora ferme. Dopo pranzo si occupa delle pendole, che richiedono più forza che "
            "precisione. Quando qualcuno gli chiede quanto costerà una riparazione, lui apre la cassa, ascolta "
            "per un momento e poi scrive una cifra su un pezzetto di carta. Raramente sbaglia, e quando succede "
            "chiede sempre meno di quanto aveva scritto.",
            "Da qualche mese viene ad aiutarlo una ragazza del liceo, che vorrebbe studiare ingegneria. Ha "
            "costruito per lui un piccolo strumento che misura i battiti e li disegna su uno schermo. "
            "All'inizio il signor Bruno lo guardava con sospetto, ma adesso lo accende ogni giorno, anche se "
            "continua ad appoggiare l'orecchio alla cassa. Dice che lo schermo conosce i numeri, mentre lui "
            "conosce gli orologi, e che insieme fanno un buon lavoro.",
        ),
    ),
    "ru": (
        "Маяк на северном мысу",
        (
            "Маяк на северном мысу построили больше ста лет назад, когда рыбаки ещё возвращались домой под "
            "парусом. Стены сложили из серого камня, который привозили на лодках с соседнего острова, а лампу "
            "заказали в столице. Первый смотритель прожил здесь сорок зим и каждую ночь записывал в толстую "
            "тетрадь погоду, направление ветра и названия кораблей, проходивших мимо берега.",
            "Теперь свет включается сам, и смотритель больше не нужен. Но в доме у подножия маяка всё равно "
            "живут люди: учительница географии Анна Сергеевна приезжает сюда каждое лето вместе со своими "
            "учениками. Они читают старые тетради, сравнивают записи с современными наблюдениями и рисуют "
            "карты. Оказалось, что за это время море стало теплее, а туманы теперь приходят на две недели "
            "позже, чем раньше.",
            "Вечером, когда ветер стихает, дети поднимаются по узкой лестнице на самый верх. Оттуда видно, как "
            "солнце медленно опускается к воде и как вдалеке загораются огни посёлка. Анна Сергеевна говорит, "
            "что хорошая география начинается не с учебника, а с того, что человек сам посмотрел вокруг и задал "
            "вопрос. Потом все спускаются вниз, пьют чай и договариваются, кто завтра первым будет измерять "
            "температуру воды.",
        ),
    ),
    "ja": (
        "川沿いの豆腐屋",
        (
            "川沿いの細い道を十分ほど歩くと、青いのれんのかかった小さな豆腐屋があります。店の主人は毎朝三時に起きて、"
            "前の晩から水につけておいた大豆をゆっくりとすりつぶします。冬は水がとても冷たく、指の感覚がなくなるほどで"
            "すが、主人は井戸の水でなければ同じ味にはならないと言います。",
            "この店を始めたのは主人の祖母でした。戦争が終わって間もないころ、近所の人たちに少しでも栄養のあるものを食"
            "べてもらいたいと考えて、借りた鍋ひとつで豆腐を作りはじめたそうです。そのころの帳面は今でも棚の上に置いて"
            "あり、だれが何丁買ったのか、お金の代わりに何をもらったのかが、ていねいな字で書かれています。魚や野菜、と"
            "きには手袋という日もありました。",
            "最近は若いお客さんも増えました。大学でデザインを学んだ孫娘が、豆腐の作り方を絵にして店の壁に貼ったからで"
            "す。子どもたちはその絵を順番に指でたどりながら、できたばかりの豆乳を飲みます。夕方になると売り切れてしま"
            "うことが多いのですが、主人はたくさん作ろうとはしません。一日に作れる量を守ることが、長く続けるためにいち"
            "ばん大切なのだと、静かに話してくれました。",
        ),
    ),
    "pt": (
        "O jardim da escola velha",
        (
            "Quando a escola velha fechou, o pátio ficou vazio durante quase doze anos. As janelas estavam "
            "partidas, as ervas cresciam entre as pedras e os vizinhos passavam do outro lado da rua. Foi uma "
            "antiga professora de ciências, a dona Conceição, que pediu a chave à junta de freguesia e começou "
            "a plantar tomates junto ao muro virado para o sul, onde o sol demora mais a desaparecer.",
            "No primeiro verão trabalhou sozinha. No segundo já eram sete pessoas, e no terceiro foi preciso "
            "fazer uma lista para dividir os canteiros. Ninguém paga renda, mas todos oferecem uma parte do que "
            "colhem à cantina do lar de idosos. Em troca, os mais velhos ensinam a podar as macieiras e contam "
            "como se guardavam as sementes de um ano para o outro, embrulhadas em papel de jornal e escondidas "
            "dos ratos.",
            "Hoje o jardim tem uma pequena estufa, um poço recuperado e um banco pintado de azul, que é o lugar "
            "mais disputado nas tardes de domingo. A junta queria construir ali um parque de estacionamento, "
            "porém mudou de ideias depois de visitar o local. A dona Conceição diz que não fez nada de "
            "especial: apenas abriu uma porta que estava fechada há demasiado tempo e esperou que alguém "
            "entrasse.",
        ),
    ),
    "nl": (
        "De fietsenmaker van de Kerkstraat",
        (
            "Op de hoek van de Kerkstraat zit al sinds mensenheugenis een fietsenmaker. De werkplaats is zo "
            "klein dat de klanten buiten moeten wachten, ook wanneer het regent, en toch komt vrijwel iedereen "
            "uit de buurt hier met een lekke band of een slag in het wiel. Willem werkt altijd met de deur "
            "open, omdat hij wil horen of een fiets die voorbijrijdt een nieuwe ketting nodig heeft.",
            "Zijn dochter vond dat er iets moest veranderen. Zij maakte een lijst van alle reparaties en "
            "ontdekte dat de helft van het werk eigenlijk heel eenvoudig is. Daarom geven ze nu iedere "
            "woensdagmiddag les aan kinderen, die leren hoe je een band plakt, een rem afstelt en een lamp "
            "vervangt. Wie drie keer is geweest, krijgt een eigen gereedschapstasje mee naar huis.",
            "Sommige mensen waren bang dat Willem op die manier zijn eigen klanten zou verliezen, maar het "
            "tegendeel gebeurde. De kinderen brengen hun ouders mee, en de ouders nemen de oude fietsen mee die "
            "al jaren in de schuur stonden. Volgens Willem wordt een fiets pas echt mooi wanneer iemand hem "
            "zelf heeft gerepareerd. Hij zegt het zonder op te kijken, terwijl hij met zijn duim voelt of het "
            "wiel eindelijk recht loopt.",
        ),
    ),
}
