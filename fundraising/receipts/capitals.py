"""Amounts in Chinese capitals, as receipts want them (人民币大写)."""

DIGITS = "零壹贰叁肆伍陆柒捌玖"
PLACES = ("", "拾", "佰", "仟")
GROUPS = ("", "万", "亿", "兆")


def in_capitals(fen: int) -> str:
    """Return an amount of fen (0 up to 10^17) in capitals: 10050 fen is 壹佰元伍角整.

    Rule: 票据法 and 正确填写票据和结算凭证的基本规定 (中国人民银行): 整 ends amounts in whole yuan or jiao.
    """
    if not 0 <= fen < 10**17:
        raise ValueError("The amount has no form in capitals.")
    yuan, jiao, rest = fen // 100, fen // 10 % 10, fen % 10
    head = f"{_whole(yuan)}元" if yuan else ""
    if not jiao and not rest:
        return f"{head or '零元'}整"
    tail = f"{DIGITS[jiao]}角" if jiao else ("零" if yuan else "")
    return head + tail + (f"{DIGITS[rest]}分" if rest else "整")


def _whole(number: int) -> str:
    groups: list[int] = []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    text = ""
    for position in range(len(groups) - 1, -1, -1):
        group = groups[position]
        if not group:
            continue
        gap = bool(text) and (group < 1000 or groups[position + 1] == 0)
        text += ("零" if gap else "") + _group(group) + GROUPS[position]
    return text


def _group(number: int) -> str:
    text, is_gap = "", False
    for place in range(3, -1, -1):
        digit = number // 10**place % 10
        if digit:
            text += ("零" if is_gap else "") + DIGITS[digit] + PLACES[place]
            is_gap = False
        elif text:
            is_gap = True
    return text
