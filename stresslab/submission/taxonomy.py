"""The taxonomy as files: schemas, labels in English and Chinese, closed hypercubes, calculations, formula assertions.

Made from :mod:`concepts` alone; the same version gives the same bytes. Specifications: XBRL 2.1, Dimensions 1.0, Extensible
Enumerations 2.0, Calculations 1.1, Formula 1.0, Taxonomy Packages 1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from xml.sax.saxutils import escape, quoteattr

from stresslab.submission.axes import BASE, GRADES, LIGHTS, NS, PREFIX, VERSION, Axis, Concept, Form, Table, camel
from stresslab.submission.concepts import BALANCES, FORMS, SUMS, SUMS_OVER, axes, concepts

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
TYPES = {
    "money": "xbrli:monetaryItemType",
    "share": "dtr-types:percentItemType",
    "ratio": "dtr-types:percentItemType",
    "number": "xbrli:pureItemType",
    "count": "xbrli:integerItemType",
    "text": "xbrli:stringItemType",
    "long_text": "xbrli:stringItemType",
    "flag": "xbrli:booleanItemType",
    "date": "xbrli:dateItemType",
    "grade": "enum2:enumerationItemType",
    "light": "enum2:enumerationItemType",
}
_ARC = "http://xbrl.org/int/dim/arcrole/"
_SUM = "https://xbrl.org/2023/arcrole/summation-item"
#: What identifies a row of a typed axis: no blanks around it, and short.
TYPED_PATTERN, NUMBER_PATTERN = r"\S(.{0,62}\S)?", "[1-9][0-9]{0,5}"
#: An enumeration's name, its members and their labels.
ENUMERATIONS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "grade": tuple((f"Grade{g}", g, g) for g in GRADES),
    "light": tuple((f"Light{camel(value)}", en, zh) for value, en, zh in LIGHTS),
}


def enumeration(kind: str, value: str) -> str:
    """How a cell names a grade or a light."""
    return f"{PREFIX}:{camel(kind)}{camel(value) if kind == 'light' else value}"


@cache
def taxonomy_files() -> dict[str, str]:
    """Every file of the taxonomy by its place in the package."""
    files = {
        "META-INF/taxonomyPackage.xml": _package(),
        "META-INF/catalog.xml": _catalog(),
        "taxonomy/core.xsd": _core(),
        "taxonomy/labels-en.xml": _labels("en"),
        "taxonomy/labels-zh.xml": _labels("zh"),
    }
    for form in FORMS.values():
        files |= {
            f"taxonomy/{form.name}.xsd": _entry(form),
            f"taxonomy/{form.name}-definition.xml": _definition(form),
            f"taxonomy/{form.name}-presentation.xml": _presentation(form),
            f"taxonomy/{form.name}-formula.xml": _formula(form),
            f"taxonomy/{form.name}-calculation.xml": _calculation(form),
        }
    return files


# --- schemas ------------------------------------------------------------------------------------


def _element(name: str, kind: str, group: str = "xbrli:item", abstract: bool = False, more: str = "") -> str:
    return (
        f'  <xs:element id="{PREFIX}_{name}" name="{name}" type="{kind}" substitutionGroup="{group}" '
        f'abstract="{str(abstract).lower()}" nillable="true" xbrli:periodType="instant"{more}/>\n'
    )


def _enumerated(concept: Concept) -> str:
    if concept.kind not in ENUMERATIONS:
        return ""
    name = camel(concept.kind)
    return f' enum2:domain="{PREFIX}:{name}Domain" enum2:linkrole="{NS}/role/{name}" enum2:headUsable="false"'


def _core() -> str:
    made = [_element(c.name, TYPES[c.kind], more=_enumerated(c)) for c in concepts()]
    for axis in axes():
        typed = "" if axis.members else f' xbrldt:typedDomainRef="#{PREFIX}_{axis.name}Value"'
        made.append(_element(axis.name, "xbrli:stringItemType", "xbrldt:dimensionItem", True, typed))
        if axis.members:
            made.append(_element(f"{axis.name}Domain", "dtr-types:domainItemType", abstract=True))
            made += [_element(m.name, "dtr-types:domainItemType", abstract=True) for m in axis.members]
        else:
            pattern = NUMBER_PATTERN if axis.number else TYPED_PATTERN
            made.append(
                f'  <xs:element id="{PREFIX}_{axis.name}Value" name="{axis.name}Value"><xs:simpleType><xs:restriction base="xs:string">'
                f"<xs:pattern value={quoteattr(pattern)}/></xs:restriction></xs:simpleType></xs:element>\n"
            )
    for table in {t.name: t for f in FORMS.values() for t in f.tables}.values():
        made.append(_element(f"{camel(table.name)}Table", "xbrli:stringItemType", "xbrldt:hypercubeItem", True))
        made.append(_element(f"{camel(table.name)}Items", "xbrli:stringItemType", abstract=True))
    for kind, members in ENUMERATIONS.items():
        made.append(_element(f"{camel(kind)}Domain", "dtr-types:domainItemType", abstract=True))
        made += [_element(name, "dtr-types:domainItemType", abstract=True) for name, _, _ in members]
    return _schema(
        NS,
        "".join(made),
        ("labels-en.xml", "label"),
        ("labels-zh.xml", "label"),
        roles="".join(_role(camel(kind), f"Enumeration: {kind}", "definition") for kind in ENUMERATIONS),
    )


def _entry(form: Form) -> str:
    roles = "".join(
        _role(f"{form.name}-{t.name}", f"{form.en}: {t.en}", "presentation", "definition", "calculation")
        for t in form.tables
    )
    body = f'  <xs:import namespace="{NS}" schemaLocation="core.xsd"/>\n'
    links = [(f"{form.name}-{kind}.xml", kind) for kind in ("definition", "presentation", "calculation")]
    return _schema(f"{NS}/{form.name}", body, *links, (f"{form.name}-formula.xml", ""), roles=roles)


def _role(name: str, said: str, *used: str) -> str:
    on = "".join(f"<link:usedOn>link:{kind}Link</link:usedOn>" for kind in used)
    return (
        f'    <link:roleType id="role_{name}" roleURI="{NS}/role/{name}"><link:definition>{escape(said)}</link:definition>{on}'
        "</link:roleType>\n"
    )


def _schema(namespace: str, body: str, *links: tuple[str, str], roles: str) -> str:
    def ref(file: str, kind: str) -> str:
        role = f' xlink:role="http://www.xbrl.org/2003/role/{kind}LinkbaseRef"' if kind else ""
        return (
            f'    <link:linkbaseRef xlink:type="simple" xlink:href="{file}" '
            f'xlink:arcrole="http://www.w3.org/1999/xlink/properties/linkbase"{role}/>\n'
        )

    imports = "".join(
        f'  <xs:import namespace="{space}" schemaLocation="{place}"/>\n'
        for space, place in (
            ("http://www.xbrl.org/2003/instance", "http://www.xbrl.org/2003/xbrl-instance-2003-12-31.xsd"),
            ("http://xbrl.org/2005/xbrldt", "http://www.xbrl.org/2005/xbrldt-2005.xsd"),
            ("http://www.xbrl.org/dtr/type/2024-01-31", "https://www.xbrl.org/dtr/type/2024-01-31/types.xsd"),
            (
                "http://xbrl.org/2020/extensible-enumerations-2.0",
                "https://www.xbrl.org/2020/extensible-enumerations-2.0.xsd",
            ),
        )
    )
    return (
        f'{HEAD}<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xbrli="http://www.xbrl.org/2003/instance" '
        'xmlns:link="http://www.xbrl.org/2003/linkbase"\n  xmlns:xlink="http://www.w3.org/1999/xlink" '
        'xmlns:xbrldt="http://xbrl.org/2005/xbrldt" '
        'xmlns:dtr-types="http://www.xbrl.org/dtr/type/2024-01-31"\n  xmlns:enum2="http://xbrl.org/2020/extensible-enumerations-2.0" '
        f'xmlns:{PREFIX}="{NS}" targetNamespace="{namespace}" elementFormDefault="qualified" attributeFormDefault="unqualified">\n'
        f"  <xs:annotation><xs:appinfo>\n{''.join(ref(*one) for one in links)}{roles}  </xs:appinfo></xs:annotation>\n"
        f"{imports}{body}</xs:schema>\n"
    )


# --- linkbases ----------------------------------------------------------------------------------

_LINKBASE = (
    f'{HEAD}<link:linkbase xmlns:link="http://www.xbrl.org/2003/linkbase" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xbrldt="http://xbrl.org/2005/xbrldt"\n'
    '  xsi:schemaLocation="http://www.xbrl.org/2003/linkbase http://www.xbrl.org/2003/xbrl-linkbase-2003-12-31.xsd">\n'
)


def _loc(name: str) -> str:
    return f'    <link:loc xlink:type="locator" xlink:href="core.xsd#{PREFIX}_{name}" xlink:label="{name}"/>\n'


def _named() -> Iterator[tuple[str, str, str, str]]:
    """Name, English, Chinese and formula of all that has a label."""
    yield from ((c.name, c.en, c.zh, c.formula) for c in concepts())
    for axis in axes():
        yield axis.name, axis.en, axis.zh, ""
        if axis.members:
            yield f"{axis.name}Domain", f"{axis.en}: all", f"{axis.zh}：全部", ""
        yield from ((m.name, m.en, m.zh, "") for m in axis.members)
    for table in {t.name: t for f in FORMS.values() for t in f.tables}.values():
        yield f"{camel(table.name)}Table", table.en, table.zh, ""
        yield f"{camel(table.name)}Items", f"{table.en}: items", f"{table.zh}：项目", ""
    for members in ENUMERATIONS.values():
        yield from ((name, en, zh, "") for name, en, zh in members)


def _labels(language: str) -> str:
    out = [_LINKBASE, '  <link:labelLink xlink:type="extended" xlink:role="http://www.xbrl.org/2003/role/link">\n']
    for name, en, zh, formula in _named():
        said = [("label", zh if language == "zh" else en)]
        if formula:
            said.append(
                ("documentation", f"方法文件公式 {formula}" if language == "zh" else f"Formula {formula} of the method")
            )
        out.append(_loc(name))
        for role, text in said:
            out.append(
                f'    <link:label xlink:type="resource" xlink:label="{role}_{name}" xlink:role="http://www.xbrl.org/2003/role/{role}" '
                f'xml:lang="{language}">{escape(text)}</link:label>\n'
                '    <link:labelArc xlink:type="arc" xlink:arcrole="http://www.xbrl.org/2003/arcrole/concept-label" '
                f'xlink:from="{name}" xlink:to="{role}_{name}"/>\n'
            )
    return "".join(out) + "  </link:labelLink>\n</link:linkbase>\n"


def _role_ref(name: str, file: str) -> str:
    return f'  <link:roleRef xlink:type="simple" xlink:href="{file}#role_{name}" roleURI="{NS}/role/{name}"/>\n'


def _arc(kind: str, parent: str, child: str, order: int, more: str = "") -> str:
    return (
        f'    <link:definitionArc xlink:type="arc" xlink:arcrole="{_ARC}{kind}" xlink:from="{parent}" xlink:to="{child}" '
        f'order="{order}"{more}/>\n'
    )


def _link(kind: str, role: str, names: Iterable[str], arcs: str) -> str:
    return (
        f'  <link:{kind}Link xlink:type="extended" xlink:role="{NS}/role/{role}">\n'
        f"{''.join(_loc(n) for n in dict.fromkeys(names))}{arcs}  </link:{kind}Link>\n"
    )


def _cube(form: Form, table: Table) -> str:
    items, cube = f"{camel(table.name)}Items", f"{camel(table.name)}Table"
    names = [items, cube, *(c.name for c in table.concepts)]
    arcs = _arc("all", items, cube, 1, ' xbrldt:contextElement="scenario" xbrldt:closed="true"')
    arcs += "".join(_arc("domain-member", items, c.name, k) for k, c in enumerate(table.concepts, 1))
    for k, axis in enumerate(table.axes, 1):
        names.append(axis.name)
        arcs += _arc("hypercube-dimension", cube, axis.name, k)
        if axis.members:
            names += [f"{axis.name}Domain", *(m.name for m in axis.members)]
            arcs += _arc("dimension-domain", axis.name, f"{axis.name}Domain", 1, ' xbrldt:usable="false"')
            arcs += "".join(
                _arc("domain-member", f"{axis.name}Domain", m.name, q) for q, m in enumerate(axis.members, 1)
            )
    return _link("definition", f"{form.name}-{table.name}", names, arcs)


def _definition(form: Form) -> str:
    out = [
        _LINKBASE,
        *(_role_ref(f"{form.name}-{t.name}", f"{form.name}.xsd") for t in form.tables),
        *(_role_ref(camel(kind), "core.xsd") for kind in ENUMERATIONS),
    ]
    out += [
        f'  <link:arcroleRef xlink:type="simple" xlink:href="http://www.xbrl.org/2005/xbrldt-2005.xsd#{kind}" arcroleURI="{_ARC}{kind}"/>\n'
        for kind in ("all", "hypercube-dimension", "dimension-domain", "domain-member")
    ]
    out += [_cube(form, table) for table in form.tables]
    for kind, members in ENUMERATIONS.items():
        head = f"{camel(kind)}Domain"
        arcs = "".join(_arc("domain-member", head, name, k) for k, (name, _, _) in enumerate(members, 1))
        out.append(_link("definition", camel(kind), (head, *(name for name, _, _ in members)), arcs))
    return "".join(out) + "</link:linkbase>\n"


def _presentation(form: Form) -> str:
    out = [_LINKBASE, *(_role_ref(f"{form.name}-{t.name}", f"{form.name}.xsd") for t in form.tables)]
    for table in form.tables:
        items = f"{camel(table.name)}Items"
        arcs = "".join(
            '    <link:presentationArc xlink:type="arc" xlink:arcrole="http://www.xbrl.org/2003/arcrole/parent-child" '
            f'xlink:from="{items}" xlink:to="{c.name}" order="{k}"/>\n'
            for k, c in enumerate(table.concepts, 1)
        )
        out.append(_link("presentation", f"{form.name}-{table.name}", (items, *(c.name for c in table.concepts)), arcs))
    return "".join(out) + "</link:linkbase>\n"


def _calculation(form: Form) -> str:
    tables = {t.name for t in form.tables}
    sums = [s for s in SUMS if s.table in tables]
    out = [
        _LINKBASE,
        *(_role_ref(f"{form.name}-{name}", f"{form.name}.xsd") for name in dict.fromkeys(s.table for s in sums)),
        f'  <link:arcroleRef xlink:type="simple" '
        f'xlink:href="https://www.xbrl.org/2023/calculation-1.1.xsd#summation-item" arcroleURI="{_SUM}"/>\n',
    ]
    for name in dict.fromkeys(s.table for s in sums):
        mine = [s for s in sums if s.table == name]
        arcs = "".join(
            f'    <link:calculationArc xlink:type="arc" xlink:arcrole="{_SUM}" xlink:from="{s.total}" xlink:to="{part}" '
            f'order="{k}" weight="1"/>\n'
            for s in mine
            for k, part in enumerate(s.parts, 1)
        )
        out.append(_link("calculation", f"{form.name}-{name}", (n for s in mine for n in (s.total, *s.parts)), arcs))
    return "".join(out) + "</link:linkbase>\n"


# --- formula assertions -------------------------------------------------------------------------

_FORMULA_SPACES = {
    "gen": "http://xbrl.org/2008/generic",
    "variable": "http://xbrl.org/2008/variable",
    "va": "http://xbrl.org/2008/assertion/value",
    "cf": "http://xbrl.org/2008/filter/concept",
    "df": "http://xbrl.org/2008/filter/dimension",
    "msg": "http://xbrl.org/2010/message",
}
_FORMULA_PLACES = {
    "gen": "http://www.xbrl.org/2008/generic-link.xsd",
    "variable": "http://www.xbrl.org/2008/variable.xsd",
    "va": "http://www.xbrl.org/2008/value-assertion.xsd",
    "cf": "http://www.xbrl.org/2008/concept-filter.xsd",
    "df": "http://www.xbrl.org/2008/dimension-filter.xsd",
    "msg": "http://www.xbrl.org/2010/generic-message.xsd",
}


def _resource_arc(element: str, role: str, parent: str, child: str, more: str = "") -> str:
    return f'    <{element} xlink:type="arc" xlink:arcrole="{role}" xlink:from="{parent}" xlink:to="{child}"{more}/>\n'


def _variable(assertion: str, name: str, wanted: Iterable[str], axis: str = "", without: str = "") -> str:
    label = f"{assertion}_{name}"
    out = f'    <variable:factVariable xlink:type="resource" xlink:label="{label}" bindAsSequence="{str(bool(axis)).lower()}"/>\n'
    out += _resource_arc(
        "variable:variableArc",
        "http://xbrl.org/arcrole/2008/variable-set",
        assertion,
        label,
        f' name="{name}" order="1"',
    )
    filters = [
        (
            "concepts",
            '<cf:conceptName xlink:type="resource" xlink:label="{0}">'
            + "".join(f"<cf:concept><cf:qname>{PREFIX}:{c}</cf:qname></cf:concept>" for c in wanted)
            + "</cf:conceptName>",
        )
    ]
    for kind, dimension in (("axis", axis), ("without", without)):
        if dimension:
            filters.append(
                (
                    kind,
                    '<df:explicitDimension xlink:type="resource" xlink:label="{0}"><df:dimension><df:qname>'
                    f"{PREFIX}:{dimension}</df:qname></df:dimension></df:explicitDimension>",
                )
            )
    for kind, resource in filters:
        out += "    " + resource.format(f"{label}_{kind}") + "\n"
        how = f' complement="{str(kind == "without").lower()}" cover="true" order="1"'
        out += _resource_arc(
            "variable:variableFilterArc", "http://xbrl.org/arcrole/2008/variable-filter", label, f"{label}_{kind}", how
        )
    return out


def _assertion(name: str, test: str, variables: str, en: str, zh: str) -> str:
    out = (
        f'    <va:valueAssertion xlink:type="resource" xlink:label="{name}" id="{name}" implicitFiltering="true" '
        f'aspectModel="dimensional" test={quoteattr(test)}/>\n{variables}'
    )
    for language, said in (("en", en), ("zh", zh)):
        out += (
            f'    <msg:message xlink:type="resource" xlink:label="{name}_said" xlink:role="http://www.xbrl.org/2010/role/message" '
            f'xml:lang="{language}">{escape(said)}</msg:message>\n'
        )
    return out + _resource_arc(
        "gen:arc", "http://xbrl.org/arcrole/2010/assertion-unsatisfied-message", name, f"{name}_said", ' order="1"'
    )


def _formula(form: Form) -> str:
    tables = {t.name: t for t in form.tables}
    shares = [c.name for t in form.tables for c in t.concepts if c.kind == "share" and t.bounded]
    positive = [c.name for t in form.tables for c in t.concepts if c.kind == "money" and c.least == 0]
    body = _assertion(
        "va_share",
        "$x ge 0 and $x le 1",
        _variable("va_share", "x", shares, without="PartAxis"),
        "{$x} is not between 0 and 1",
        "{$x} 不在0到1之间",
    )
    body += _assertion("va_amount", "$x ge 0", _variable("va_amount", "x", positive), "{$x} is below 0", "{$x} 小于0")
    for k, (_, table, one, other, en, zh) in enumerate(BALANCES, 1):
        if table in tables:
            name = f"va_balance_{k}"
            body += _assertion(
                name,
                "$a eq $b",
                _variable(name, "a", [one]) + _variable(name, "b", [other]),
                f"{{$a}} and {{$b}}: {en}",
                f"{{$a}}与{{$b}}：{zh}",
            )
    for k, over in enumerate(SUMS_OVER, 1):
        if over.table in tables:
            name = f"va_total_{k}"
            variables = _variable(name, "t", [over.total]) + _variable(name, "p", [over.part], over.axis)
            body += _assertion(
                name, "$t eq sum($p)", variables, f"{over.part} {over.en} {{$t}}", f"{over.part} {over.zh} {{$t}}"
            )
    spaces = "".join(f' xmlns:{k}="{v}"' for k, v in _FORMULA_SPACES.items())
    places = " ".join(f"{_FORMULA_SPACES[k]} {place}" for k, place in _FORMULA_PLACES.items())
    refs = "".join(
        f'  <link:{kind}Ref {what}URI="{uri}" xlink:type="simple" xlink:href="{href}"/>\n'
        for kind, what, uri, href in (
            (
                "role",
                "role",
                "http://www.xbrl.org/2008/role/link",
                "http://www.xbrl.org/2008/generic-link.xsd#standard-link-role",
            ),
            (
                "role",
                "role",
                "http://www.xbrl.org/2010/role/message",
                "http://www.xbrl.org/2010/generic-message.xsd#standard-message",
            ),
            (
                "arcrole",
                "arcrole",
                "http://xbrl.org/arcrole/2008/variable-set",
                "http://www.xbrl.org/2008/variable.xsd#variable-set",
            ),
            (
                "arcrole",
                "arcrole",
                "http://xbrl.org/arcrole/2008/variable-filter",
                "http://www.xbrl.org/2008/variable.xsd#variable-filter",
            ),
            (
                "arcrole",
                "arcrole",
                "http://xbrl.org/arcrole/2010/assertion-unsatisfied-message",
                "http://www.xbrl.org/2010/validation-message.xsd#assertion-unsatisfied-message",
            ),
        )
    )
    return (
        f'{HEAD}<link:linkbase xmlns:link="http://www.xbrl.org/2003/linkbase" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"{spaces} xmlns:{PREFIX}="{NS}"\n  '
        f'xsi:schemaLocation="http://www.xbrl.org/2003/linkbase http://www.xbrl.org/2003/xbrl-linkbase-2003-12-31.xsd {places}">\n{refs}'
        f'  <gen:link xlink:type="extended" xlink:role="http://www.xbrl.org/2008/role/link">\n{body}  </gen:link>\n</link:linkbase>\n'
    )


# --- the package --------------------------------------------------------------------------------


def _package() -> str:
    entries = "".join(
        f'    <tp:entryPoint><tp:name>{escape(f.en)}</tp:name><tp:entryPointDocument href="{BASE}{f.name}.xsd"/></tp:entryPoint>\n'
        for f in FORMS.values()
    )
    return (
        f'{HEAD}<tp:taxonomyPackage xmlns:tp="http://xbrl.org/2016/taxonomy-package" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xml:lang="en"\n  xsi:schemaLocation="http://xbrl.org/2016/taxonomy-package http://xbrl.org/2016/taxonomy-package.xsd">\n'
        f"  <tp:identifier>{BASE}package</tp:identifier>\n  <tp:name>stresslab: stress tests and periodic data of "
        f"margin lenders</tp:name>\n"
        "  <tp:description>Figures of stress tests with their errors, loss layers, ratings, and periodic data</tp:description>\n"
        f"  <tp:version>{VERSION}</tp:version>\n  <tp:publisher>stresslab</tp:publisher>\n  "
        f"<tp:publicationDate>{VERSION}</tp:publicationDate>\n"
        f"  <tp:entryPoints>\n{entries}  </tp:entryPoints>\n</tp:taxonomyPackage>\n"
    )


def _catalog() -> str:
    return (
        f'{HEAD}<catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="urn:oasis:names:tc:entity:xmlns:xml:catalog http://www.xbrl.org/2016/taxonomy-package-catalog.xsd">\n'
        f'  <rewriteURI uriStartString="{BASE}" rewritePrefix="../taxonomy/"/>\n</catalog>\n'
    )


def axis_of(table: Table, column: str) -> Axis | None:
    """The axis that a column of a table gives; None for its other columns."""
    return next((a for a in table.axes if a.column == column), None)
