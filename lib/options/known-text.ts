/**
 * Common words for `secret-strength.ts`, the likeliest first: words of placeholders, the commonest words of passwords, and the
 * commonest words of English. The estimate treats capitals separately.
 */
export const COMMON_WORDS = `
the of and to in is my for be it me we on no do so at by an or as if not you are this that your with here our new old
very must should never change please secret password key token test example placeholder insecure default changeme
private public sign signing signature access encrypt encryption credential passphrase passcode pass word changeit
replace sample unsafe dummy testing demo development develop dev production prod staging local localhost server client
app api application nest nestjs node nodejs express typescript javascript java two factor auth authentication
authorization session cookie jwt hmac sha256 base64 hex random string bytes byte characters chars minimum least long
length enough enter value goes todo fixme none null undefined admin administrator root user guest login hello world
super master company project website site database data postgres mysql redis docker kubernetes config env environment
variable security secure strong safe real keep keyboard generate generated openssl confirmation confirm verify code
correct horse battery staple lorem ipsum dolor sit amet consectetur adipiscing elit letmein iloveyou qwerty monkey
dragon trustno1 hunter hunter2 quick brown fox jumps over lazy dog winter summer spring autumn monday tuesday
wednesday thursday friday saturday sunday january february march april june july august september october november
december one three four five six seven eight nine ten zero hundred thousand first last before after deploy deploying
deployed commit own can all any use used using set get let only was has have had his her its who what when where why
how now yes out off up us am from they them will there their then than but more some time year years day days way man
men king god love baby life home big red blue baseball football shadow michael mustang superman jordan jennifer harley
buster andrew batman soccer tigger charlie robert sunshine thomas ranger daniel hockey george computer michelle
jessica starwars pepper freedom princess joshua maggie ginger amanda ashley cheese nicole matthew chelsea dallas
matrix william yankees taylor corvette austin martin heather thunder merlin diamond anthony hammer silver justin
patrick richard bailey internet samantha golfer scooter orange maverick jackson sparky mickey phoenix bigdog snoopy
guitar whatever chicken morgan andrea camaro mercedes peanut ferrari cowboy falcon welcome samsung steelers joseph
smokey dakota melissa arsenal boomer eagles tigers marina nascar gateway porsche yellow monster spider diablo hannah
bulldog junior london purple compaq lakers iceman hardcore cowboys money banana boston brandon tennis johnny miller
coffee scooby edward nikita mother yamaha brandy barney chester oliver charles player knight forever steven rangers
midnight chicago bigdaddy redsox victoria badboy angel fender chris jasper james rabbit natasha rachel marine wizard
marlboro raiders prince casper fishing flower crystal jasmine iwantu adidas winner gandalf angela mike golden lauren
cocacola winston madison angels panther shannon sophie johnson david toyota tiger murphy canada danielle jonathan
liverpoo muffin cooper were which https also been other during into school most would city between later state such
national made known under many university united while part season team these american film second born south became
states through being including both north high however people family early history album area series against until
since district county name work group music following number several called played released career league game
government house each based same station club international town located population general college east found began
church line river member system place century band create delivery migration
`;

/** Rows and columns of keyboards, the alphabet and the digits. The estimate also reads each of them backwards. */
export const KNOWN_SEQUENCES: readonly string[] = [
  'abcdefghijklmnopqrstuvwxyz',
  '1234567890-=qwertyuiop[]asdfghjkl;zxcvbnm,./',
  'qwertzuiopasdfghjklyxcvbnm',
  'azertyuiopqsdfghjklmwxcvbn',
  '!@#$%^&*()_+',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/',
  '!qaz@wsx#edc$rfv%tgb^yhn&ujm*ik<(ol>)p:?',
  'zaq1xsw2cde3vfr4bgt5nhy6mju7',
  '147258369',
  '0123456789abcdef',
];

/**
 * Texts of 32 bytes and more in this repository that look random: examples, fixtures and alphabets of tests. They are public, so
 * they are refused as secrets, as are texts that contain them. `test/package/printed-secrets.spec.ts` searches all files of the
 * repository for further ones.
 */
export const PUBLISHED_TEXTS: readonly string[] = [
  'kq3Wm9vXz7Rb1TnYc5Hd8Jf2Lg6Ps0AeUiOyKt4Q',
  'Zx8Vb2Nm6Qw0Er4Ty9Ui3Op7As1Df5Gh8Jk2Lz6X',
  'Zq8rT2vN6xB1mK5jH9gF3dS7aP0oL4iUyEwQcRtY',
  'Zr8Jd2Nf6Qy0Wb4Tk9Hs3Lv7Xc1Mg5PaEoUiRt2Y',
  'keusbcCIh899o64tCDsRlq07V1qc-H2tGcrVE3lI-VU',
  'Ot-O0_bk_6kqLjcfn-EX4boBveDaw0naY5f5BmDCcIo',
  '06jk5q3v2o8s1g7h4n9t0c6m2e8p5r1vdq3g',
  '06jk5q3v2o8s1g7h4n9t0c6m2e8p5r1vdq30',
];
